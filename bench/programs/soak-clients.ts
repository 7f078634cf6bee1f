// A program: clients of every kind, one after the other and many at a time. Asked for a number of them, it says how
// many of which kind there were when the last one is gone.
import net from "node:net";
import { z } from "zod";
import { frame, frameHeaderBytes, settingsAck } from "../../proxy/hold/http2.ts";
import { buildRequest, prefaceAndSettings, request, soakFrame } from "./frames.ts";
import { readingInto } from "./reader.ts";

const ask = z.object({ port: z.number(), connections: z.number() });

/** Clients at a time: far more than the daemon takes builds, so that many wait. */
const crowd = 64;
/** Nobody in here has a reason to take so long. */
const stuckMs = 30_000;
/** The proxy's own SETTINGS frame is empty; what comes after it is a daemon's, or a refusal. */
const proxyBytes = frameHeaderBytes;

/** The daemon's SETTINGS with one value, and its ACK. */
const daemonBytes = frameHeaderBytes + 6 + frameHeaderBytes;

type Act = (socket: net.Socket) => void;

/** What a kind of client does, and when; it does nothing at the times that it leaves out. */
interface Kind {
	/** At once. */
	readonly connected: Act;
	/** With the proxy's SETTINGS. */
	readonly held?: Act;
	/** With the first bytes that are not the proxy's SETTINGS. */
	readonly answered?: Act;
	/** With the echo, which follows the daemon's first bytes. */
	readonly echoed?: Act;
}

const say =
	(...bytes: readonly Uint8Array[]): Act =>
	(socket) =>
		void socket.write(Buffer.concat(bytes));
const end: Act = (socket) => void socket.end();
const reset: Act = (socket) => void socket.resetAndDestroy();
const both =
	(one: Act, other: Act): Act =>
	(socket) => {
		one(socket);
		other(socket);
	};

const open = say(prefaceAndSettings);
const build = { connected: open, held: say(settingsAck, buildRequest) };
const hello = frame(soakFrame.echo, 0, 0, Buffer.alloc(100));
const talk = say(settingsAck, hello);
const hangUp = say(settingsAck, frame(soakFrame.hangUp, 0, 0, Buffer.alloc(0)));
const question = request("/moby.buildkit.v1.Control/ListWorkers", { "grpc-timeout": "20S" });
const orphan = request("/opentelemetry.proto.collector.trace.v1.TraceService/Export");

const kinds: Readonly<Record<string, Kind>> = {
	"connects only": { connected: end },
	"half a preface": { connected: both(say(prefaceAndSettings.subarray(0, 10)), end) },
	"HTTP/1": { connected: say(Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n")) },
	TLS: { connected: say(Buffer.from([0x16, 0x03, 0x01, 0x00, 0x10, 0x01])) },
	"no request": { connected: open, held: end },
	"RST before a request": { connected: both(open, (socket) => setImmediate(reset, socket)) },
	"whole build": { ...build, answered: talk, echoed: end },
	"whole build again": { ...build, answered: talk, echoed: end },
	"build that its daemon ends": { ...build, answered: hangUp },
	"build that ends with RST": { ...build, answered: talk, echoed: reset },
	"leaves while waiting": { connected: open, held: both(build.held, end) },
	"RST while waiting": { connected: open, held: both(build.held, (socket) => setImmediate(reset, socket)) },
	question: { connected: open, held: say(settingsAck, question), answered: end },
	orphan: { connected: open, held: say(settingsAck, orphan), answered: end },
};
const names = Object.keys(kinds);

function run(port: number, { connected, held, answered, echoed }: Kind): Promise<void> {
	return new Promise((resolve, reject) => {
		const steps = [
			{ at: proxyBytes, act: held },
			{ at: proxyBytes + 1, act: answered },
			{ at: proxyBytes + daemonBytes + hello.length, act: echoed },
		];
		let received = 0;
		const take = (bytes: Buffer) => {
			received += bytes.length;
			for (let [step] = steps; step !== undefined && received >= step.at; [step] = steps) {
				steps.shift();
				step.act?.(socket);
			}
		};
		const socket = net.connect({ port, host: "127.0.0.1", noDelay: true, ...readingInto(take) }, () =>
			connected(socket),
		);
		const stuck = setTimeout(() => {
			socket.destroy();
			reject(new Error(`stuck after ${received} bytes`));
		}, stuckMs);
		// The proxy resets some of them, as it should.
		socket.on("error", () => {});
		socket.once("close", () => {
			clearTimeout(stuck);
			resolve();
		});
	});
}

let next = 0;

async function runAll(port: number, connections: number): Promise<Record<string, number>> {
	const counts: Record<string, number> = {};
	let left = connections;
	const oneAfterAnother = async () => {
		while (left-- > 0) {
			const name = names[next++ % names.length] ?? "";
			const kind = kinds[name];
			if (kind === undefined) throw new Error("no such kind");
			await run(port, kind).catch((error: Error) => {
				throw new Error(`${name}: ${error.message}`);
			});
			counts[name] = (counts[name] ?? 0) + 1;
		}
	};
	await Promise.all(Array.from({ length: crowd }, oneAfterAnother));
	return counts;
}

process.on("message", (message) => {
	const { port, connections } = ask.parse(message);
	runAll(port, connections).then(
		(counts) => process.send?.({ counts }),
		(error: Error) => process.send?.({ error: error.message }),
	);
});
process.on("disconnect", () => process.exit());
