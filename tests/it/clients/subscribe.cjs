// Subscribes with the npm client graphql-ws: URL, bearer token, and an object of names and queries. Each item is a line of
// JSON. Ends when its input does; a subscription that fails or ends by itself is an error.
const { createClient } = require('graphql-ws');
const WebSocket = require('ws');

const [url, token, queries] = process.argv.slice(2);
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${token}` },
  retryAttempts: 0,
});
const leave = async (code) => {
  await client.dispose();
  process.exit(code);
};
let over = false;
const fail = (name, why) => {
  if (over) return;
  console.error(name, why);
  leave(1);
};
for (const [name, query] of Object.entries(JSON.parse(queries))) {
  client.subscribe({ query }, {
    next: ({ data, errors }) => (errors ? fail(name, errors) : console.log(JSON.stringify({ name, data }))),
    error: (why) => fail(name, why),
    complete: () => fail(name, 'it ended'),
  });
}
process.stdin.resume().on('end', () => {
  over = true;
  leave(0);
});
