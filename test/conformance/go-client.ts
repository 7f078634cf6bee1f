import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { findProgram } from "../tools/programs.ts";
import { type ClientKind, ClientStream, ClientStreams, type Connection, outcomeOf } from "./client.ts";
import { currentProto } from "./js-client.ts";

/** What test/tools/go/keda-client says in one line. */
interface GoEvent {
	readonly id: number;
	readonly t: "message" | "ended";
	readonly message?: unknown;
	readonly raw?: string;
	readonly code?: string;
	readonly details?: string;
	readonly at: number;
	readonly ms?: readonly number[];
	readonly codes?: Readonly<Record<string, number>>;
}

/** A keda-client process: grpc-go and protobuf-go, as in KEDA. It ends when the test file does. */
class GoProcess {
	readonly child: ChildProcess;
	readonly #listeners = new Map<number, (event: GoEvent) => void>();
	#nextId = 1;

	constructor(proto: string) {
		this.child = spawn(findProgram("keda-client"), [proto], { stdio: ["pipe", "pipe", "inherit"] });
		const { stdout } = this.child;
		if (stdout === null) throw new Error("no pipe from keda-client");
		createInterface({ input: stdout }).on("line", (line) => {
			const event = JSON.parse(line) as GoEvent;
			this.#listeners.get(event.id)?.(event);
			if (event.t === "ended") this.#listeners.delete(event.id);
		});
		// Left to itself it holds up nobody's end.
		this.child.unref();
	}

	/** Sends a command that takes `ids` ids; returns the first. */
	send(command: object, listeners: readonly ((event: GoEvent) => void)[]): number {
		const id = this.#nextId;
		this.#nextId += Math.max(listeners.length, 1);
		for (const [index, listener] of listeners.entries()) this.#listeners.set(id + index, listener);
		this.child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`);
		return id;
	}

	ask(command: object): Promise<GoEvent> {
		return new Promise((resolve) => this.send(command, [resolve]));
	}
}

const processes = new Map<string, GoProcess>();
let connections = 0;

function processFor(proto: string): GoProcess {
	const running = processes.get(proto) ?? new GoProcess(proto);
	processes.set(proto, running);
	return running;
}

/** Ends the processes of this test file. */
export async function endGoClients(): Promise<void> {
	for (const { child } of processes.values()) {
		const exited = once(child, "exit");
		child.ref();
		child.stdin?.end();
		await exited;
	}
	processes.clear();
}

/** grpc-go and protobuf-go in a process of their own: what KEDA's operator is made of. */
export const grpcGo: ClientKind = {
	name: "grpc-go",
	connect(address, options = {}, proto = currentProto) {
		const go = processFor(proto);
		const conn = String(++connections);
		const dialled = go.ask({ op: "dial", conn, address, tls: options.tls, pingMs: options.pingMs });
		dialled.then(({ code, details }) => {
			if (code !== "OK") throw new Error(`dial: ${details}`);
		});
		return connection(go, conn);
	},
};

function connection(go: GoProcess, conn: string): Connection {
	return {
		async call(method, request, { deadlineMs, cancelMs } = {}) {
			const answer = await go.ask({ op: "unary", conn, method, request, deadlineMs, cancelMs });
			return {
				outcome: outcome(answer),
				message: numbers(answer.message),
				hex: Buffer.from(answer.raw ?? "", "base64").toString("hex"),
			};
		},
		async load(calls, rate) {
			const { perSecond, seconds } = rate ?? {};
			const { ms = [], codes = {} } = await go.ask({ op: "load", conn, calls, rate: perSecond, seconds });
			return { ms, codes };
		},
		streams(method, request, count, unread = false) {
			const all = Array.from({ length: count }, () => new ClientStream());
			const listeners = all.map((stream) => (event: GoEvent) => {
				if (event.t === "ended") stream.end(outcome(event));
				else stream.message(numbers(event.message), event.at);
			});
			const from = go.send({ op: "stream", conn, method, request, count, unread }, listeners);
			const to = from + count - 1;
			return new ClientStreams(all, () => void go.send({ op: "cancel", from, to }, []));
		},
		async health(service) {
			const answer = await go.ask({ op: "health", conn, method: service });
			return answer.code === "OK" ? (answer.details ?? "") : (answer.code ?? "");
		},
		async close() {
			await go.ask({ op: "close", conn });
		},
	};
}

function outcome({ code = "", details = "" }: GoEvent): string {
	return outcomeOf(code, details);
}

/** protobuf's JSON writes an int64 as a string. */
function numbers(message: unknown): unknown {
	const text = JSON.stringify(message);
	return text === undefined
		? undefined
		: JSON.parse(text, (key, value) =>
				key === "metricValue" || key === "targetSize" ? Number(value) : value,
			);
}
