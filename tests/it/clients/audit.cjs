// Runs the reference audit of GraphQL over HTTP (npm graphql-http) against a URL with a bearer token, and prints each
// check with what came of it.
const { serverAudits } = require('graphql-http');

const [url, token] = process.argv.slice(2);
const fetchFn = (to, init) =>
  fetch(to, { ...init, headers: { ...init?.headers, authorization: `Bearer ${token}` } });
(async () => {
  const found = [];
  for (const audit of serverAudits({ url, fetchFn })) {
    const { id, name, status, reason } = await audit.fn();
    found.push({ id, name, status, reason });
  }
  console.log(JSON.stringify(found));
})();
