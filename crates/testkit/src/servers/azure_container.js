// Makes a container of Azure's blob storage: its endpoint, its name, the account, the account's key.
// What is signed, and how: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
const { createHmac } = require("node:crypto");
const { request } = require("node:http");

const [endpoint, container, account, key] = process.argv.slice(-4);
const url = new URL(`${endpoint}/${container}?restype=container`);
const date = new Date().toUTCString();
const version = "2021-08-06";
// The method, eleven headers of which none is sent, the vendor's own headers, the resource.
const text = `PUT${"\n".repeat(12)}x-ms-date:${date}\nx-ms-version:${version}\n/${account}${url.pathname}\nrestype:container`;
const signature = createHmac("sha256", Buffer.from(key, "base64")).update(text).digest("base64");
const headers = {
  "x-ms-date": date,
  "x-ms-version": version,
  "Content-Length": 0,
  Authorization: `SharedKey ${account}:${signature}`,
};
const sent = request(url, { method: "PUT", headers }, (answer) => {
  if (answer.statusCode !== 201) {
    console.error(`${answer.statusCode} ${answer.statusMessage}`);
    process.exitCode = 1;
  }
  answer.resume();
});
sent.end();
