"""Verifies a token by the keys that an address publishes, as any back end of a tenant would: PyJWT and its own JWKS client.

Prints the claims, and which word PyJWT has for each token that must not pass."""

import json
import sys

import jwt

jwks, token, issuer, audience = sys.argv[1:]
key = jwt.PyJWKClient(jwks).get_signing_key_from_jwt(token)


def verify(token, audience=audience, issuer=issuer):
    required = ["exp", "iat", "sub", "aud", "iss"]
    return jwt.decode(
        token, key, algorithms=["EdDSA"], audience=audience, issuer=issuer, options={"require": required}
    )


def refusal(**changed):
    try:
        verify(**{"token": token, **changed})
        return "passed"
    except jwt.InvalidTokenError as error:
        return type(error).__name__


head, body, signature = token.split(".")
forged = jwt.utils.base64url_encode(
    json.dumps({**jwt.decode(token, options={"verify_signature": False}), "sub": "user_somebody_else"}).encode()
).decode()
print(
    json.dumps(
        {
            "algorithm": jwt.get_unverified_header(token)["alg"],
            "claims": verify(token),
            "refused": {
                "another body": refusal(token=f"{head}.{forged}.{signature}"),
                "another audience": refusal(audience="somebody-else"),
                "another issuer": refusal(issuer="https://somebody-else.example"),
            },
        }
    )
)
