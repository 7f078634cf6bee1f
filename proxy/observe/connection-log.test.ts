import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { connectionMove } from "../../test/helpers/connection-move.ts";
import { ConnectionLog } from "./connection-log.ts";

function written() {
	const lines: Record<string, unknown>[] = [];
	const stream = { write: (line: string) => void lines.push(JSON.parse(line)) };
	const log = pino({ level: "debug", base: {}, timestamp: false }, stream);
	return {
		lines,
		log: new ConnectionLog(log),
		at: (level: number) => lines.filter((l) => l["level"] === level),
	};
}
const info = 30;
const warn = 40;
const wait = { wake: 60_000.4, queue: 5, dial: 1, firstByte: 2 };

describe("ConnectionLog", () => {
	test("a build has three lines at info, each with its id and who it is", () => {
		const { log, at } = written();
		const origin = {
			...connectionMove({}).origin,
			serverName: "pool.example",
			identity: "ci",
		};
		const build = { servedAt: 60_008, wait };
		log.moved(connectionMove({ origin }));
		log.moved(connectionMove({ origin, from: "opening", state: "waiting", build: {} }));
		log.moved(connectionMove({ origin, from: "waiting", state: "dialing", daemon: "d-0", build }));
		log.moved(connectionMove({ origin, from: "dialing", state: "live", daemon: "d-0", build }));
		log.moved(
			connectionMove({
				origin,
				from: "live",
				state: "closed",
				at: 70_000,
				daemon: "d-0",
				reason: "clientClosed",
				build,
				bytesFromClient: 10,
				bytesFromDaemon: 20,
			}),
		);
		const who = {
			level: info,
			connection: "p-1",
			client: "192.0.2.1:5000",
			listener: "0.0.0.0:1234",
			serverName: "pool.example",
			identity: "ci",
		};
		const spent = { waitMs: 60_008, wakeMs: 60_000, queueMs: 5, dialMs: 1, firstByteMs: 2 };
		expect(at(info)).toEqual([
			{ ...who, msg: "build waiting" },
			{ ...who, msg: "build served", daemon: "d-0", ...spent },
			{
				...who,
				msg: "build ended",
				reason: "clientClosed",
				daemon: "d-0",
				...spent,
				durationMs: 70_000,
				bytesFromClient: 10,
				bytesFromDaemon: 20,
			},
		]);
		expect(at(warn)).toEqual([]);
	});

	test("a probe and a question about the pool are worth nothing above debug", () => {
		const { log, lines, at } = written();
		log.moved(
			connectionMove({ from: "opening", state: "closed", reason: "noPreface", message: "no request" }),
		);
		const build = { purpose: "status" as const };
		log.moved(connectionMove({ from: "opening", state: "waiting", build }));
		log.moved(
			connectionMove({ from: "waiting", state: "failing", reason: "noWake", message: "asleep", build }),
		);
		log.moved(connectionMove({ from: "failing", state: "closed", reason: "noWake", build }));
		expect(lines).toHaveLength(4);
		expect([...at(info), ...at(warn)]).toEqual([]);
	});

	test("a refused build is one warning, with what its user was told", () => {
		const { log, at } = written();
		const refused = { reason: "waitTimeout", message: "no daemon had room", build: { wait } } as const;
		log.moved(connectionMove({ ...refused, from: "waiting", state: "failing" }));
		log.moved(connectionMove({ ...refused, from: "failing", state: "closed" }));
		expect(at(warn)).toMatchObject([
			{ connection: "p-1", msg: "build refused", reason: "waitTimeout", message: "no daemon had room" },
		]);
	});

	test("bad input without end does not fill the disk, and says how much there was", () => {
		const { log, at } = written();
		const bad = { from: "opening", state: "closed", reason: "tls", message: "not HTTP/2" } as const;
		for (let i = 0; i < 1_000; i++) log.moved(connectionMove({ ...bad, at: 0 }));
		expect(at(warn)).toHaveLength(10);
		log.moved(connectionMove({ ...bad, at: 10_000 }));
		expect(at(warn).at(-1)).toMatchObject({ reason: "tls", message: "not HTTP/2", suppressed: 990 });
		log.moved(connectionMove({ ...bad, reason: "http1", at: 10_000 }));
		expect(at(warn)).toHaveLength(12);
	});
});
