// A hello over node's http module: no isolation, one process, for comparison.
require("http")
  .createServer((request, response) => {
    response.writeHead(200, { "Content-Type": "text/plain" });
    response.end("hello\n");
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
