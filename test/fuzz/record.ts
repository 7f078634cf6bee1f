// npm run --silent fuzz:record > test/fuzz/recorded.ts: what clients of the oldest and newest versions really send first, for
// which `npm run compat` has built them. A plaintext client is answered as the proxy answers, a TLS client not at all.
import { once } from "node:events";
import net from "node:net";
import { listen } from "../../common/listen.ts";
import { earlySettings } from "../../proxy/hold/http2.ts";
import { listBuilders, runBuild, type Target } from "../compat/build.ts";
import { type Client, clients } from "../compat/cells.ts";
import { makeCertificates } from "../compat/pools.ts";
import { Cleanup } from "../helpers/cleanup.ts";
import { workFolder } from "../helpers/work-folder.ts";

/** After this long without another byte a client has said all. */
const silentMs = 1_000;

const cleanup = new Cleanup();
const folder = workFolder(cleanup);
const certificates = makeCertificates(folder).client;

async function record(tls: boolean, run: (target: Target) => Promise<unknown>): Promise<string> {
	const chunks: Buffer[] = [];
	const leave = new AbortController();
	const server = net.createServer((socket) => {
		// It had its say; whatever it tries next is refused.
		server.close();
		if (!tls) socket.write(earlySettings);
		socket.on("error", () => {});
		socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
		socket.setTimeout(silentMs, () => socket.destroy());
		socket.on("close", () => leave.abort());
	});
	const { port } = await listen(server, { host: "127.0.0.1", port: 0 });
	const address = `tcp://127.0.0.1:${port}`;
	await Promise.all([
		once(server, "close"),
		run({ address, tls: tls ? certificates : undefined, signal: leave.signal }),
	]);
	return Buffer.concat(chunks).toString("hex");
}

function ends(kind: Client["kind"]): Client[] {
	const versions = clients.filter((client) => client.kind === kind);
	return [versions[0], versions.at(-1)].flatMap((client) => client ?? []);
}

const recorded: [string, string][] = [];
for (const client of [...ends("buildctl"), ...ends("buildx")]) {
	const name = `${client.kind} ${client.version}`;
	const build = (target: Target) => runBuild(client, target, folder);
	recorded.push([`${name} build`, await record(false, build)]);
	recorded.push([`${name} build over TLS`, await record(true, build)]);
	if (client.kind === "buildx") {
		recorded.push([`${name} ls`, await record(false, (target) => listBuilders(client, target, folder))]);
	}
}
await cleanup.run();
const lines = recorded.map(([name, hex]) => `\t"${name}":\n\t\t"${hex}",`);
console.log(`// Recorded by record.ts: what real clients send first, in hex.
export const recorded: Readonly<Record<string, string>> = {
${lines.join("\n")}
};`);
