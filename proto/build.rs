//! Compiles the contracts: prost and tonic code from protox, and the descriptor bytes that keep our options
//! (prost-types drops them, so what the server reads at start is written from protox directly).

use std::{env, error::Error, fs, path::PathBuf};

/// Messages with a password, token or key in them.
const SECRET: [&str; 20] = [
    "identity.v1.ExchangeAssertionRequest",
    "identity.v1.ExchangeAssertionResponse",
    "identity.v1.SessionTokens",
    "identity.v1.SignInRequest",
    "identity.v1.SignInResponse",
    "identity.v1.RefreshRequest",
    "identity.v1.RefreshResponse",
    "identity.v1.SignOutRequest",
    "identity.v1.ExchangeApiKeyRequest",
    "identity.v1.ExchangeApiKeyResponse",
    "identity.v1.SetPasswordRequest",
    "identity.v1.CreatePersonResponse",
    "identity.v1.CreateDeskPersonResponse",
    "identity.v1.CreateApiKeyResponse",
    "onboarding.v1.CreateInvitationResponse",
    "onboarding.v1.BeginSignupRequest",
    "onboarding.v1.BeginSignupResponse",
    "onboarding.v1.CompleteSignupRequest",
    "onboarding.v1.GetTokenRequest",
    "onboarding.v1.GetTokenResponse",
];

#[expect(
    clippy::disallowed_methods,
    reason = "a build script is told where to write by its environment"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for package in fs::read_dir("switchboard")? {
        for file in fs::read_dir(package?.path().join("v1"))? {
            let path = file?.path();
            if path.extension().is_some_and(|e| e == "proto") {
                files.push(path);
            }
        }
    }
    files.sort();
    println!("cargo::rerun-if-changed=switchboard");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    let mut prost = tonic_prost_build::Config::new();
    prost.enable_type_names();
    // Messages that carry a secret have no `Debug`, so that no log line can print one (SEC-4).
    tonic_prost_build::configure()
        .skip_debug(SECRET.map(|name| format!(".switchboard.{name}")))
        .compile_fds_with_config(compiler.file_descriptor_set(), prost)?;
    Ok(())
}
