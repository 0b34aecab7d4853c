// Preload for a Node server that would listen everywhere on a port it cannot tell: it listens on loopback, and its port
// is written to the file that PORT_FILE names.
//
//   PORT=0 PORT_FILE=port node --require ./loopback.cjs SERVER

const fs = require("node:fs");
const net = require("node:net");

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  this.once("listening", () => {
    const part = `${process.env.PORT_FILE}.part`;
    fs.writeFileSync(part, String(this.address().port));
    fs.renameSync(part, process.env.PORT_FILE);
  });
  const told = rest.filter((one) => typeof one === "function");
  return listen.call(this, { port: Number(port), host: "127.0.0.1" }, ...told);
};
