import { execFile } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import net from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import fc from "fast-check";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Relay, type Relayed } from "../../proxy/relay/relay.ts";
import { fileDescriptor } from "../../proxy/wire/file-descriptor.ts";

/** A connection's far end, and the near one's descriptor. */
interface Wired {
	readonly far: net.Socket;
	readonly near: net.Socket;
}

async function connected(): Promise<Wired> {
	const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const address = server.address();
	if (typeof address !== "object" || address === null) throw new Error("not listening");
	const accepted = new Promise<net.Socket>((resolve) => server.once("connection", resolve));
	const far = net.connect({ port: address.port, host: "127.0.0.1", allowHalfOpen: true });
	far.on("error", () => {});
	const near = await accepted;
	server.close();
	return { far, near };
}

/** One side of a relayed connection: who is there, and what the relay tells of it. */
interface Side {
	readonly far: net.Socket;
	readonly relayed: Relayed;
	readonly told: (string | undefined)[];
	/** Resolves once the relay has told as much. */
	tells(count: number): Promise<void>;
}

let relay: Relay;

function startRelay(faults?: string[]): Promise<Relay> {
	const started = Relay.start((what) => {
		if (faults === undefined) throw new Error(what);
		faults.push(what);
	});
	if (!(started instanceof Relay)) throw new Error(started.reason);
	return started.ready.then(() => started);
}

beforeAll(async () => {
	relay = await startRelay();
	return () => relay.stop();
});

/** Two far ends with the relay between them. */
async function relayed(by = relay): Promise<[Side, Side]> {
	const wired = [await connected(), await connected()];
	const fds = wired.map(({ near }) => fileDescriptor(near)) as [number, number];
	const told: Side["told"][] = [[], []];
	const heard = [new EventTarget(), new EventTarget()];
	const events = told.map((words, side) => {
		const say = (word: string | undefined) => {
			words.push(word);
			heard[side]?.dispatchEvent(new Event("told"));
		};
		return {
			onEnd: () => say("end"),
			onClose: (error: NodeJS.ErrnoException | undefined) => say(error?.code ?? error?.message ?? "close"),
		};
	});
	const pair = by.take(fds, [events[0]!, events[1]!]);
	if (pair === undefined) throw new Error("not taken");
	const sides = wired.map(({ far, near }, side) => {
		near.destroy();
		onTestFinished(() => void far.destroy());
		const tells = async (count: number) => {
			while (told[side]!.length < count)
				await new Promise((resolve) => heard[side]!.addEventListener("told", resolve, { once: true }));
		};
		return { far, relayed: pair[side]!, told: told[side]!, tells };
	});
	return [sides[0]!, sides[1]!];
}

/** Reads to the end, or until it has so many bytes. */
async function readAll(
	socket: net.Socket,
	restEach = Number.POSITIVE_INFINITY,
	bytes = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
	const chunks: Buffer[] = [];
	let sinceRest = 0;
	let left = bytes;
	return await new Promise((resolve, reject) => {
		const done = () => resolve(Buffer.concat(chunks));
		socket.on("error", reject);
		socket.on("end", done);
		socket.on("data", (chunk: Buffer) => {
			chunks.push(chunk);
			left -= chunk.length;
			if (left <= 0) done();
			sinceRest += chunk.length;
			if (sinceRest < restEach) return;
			sinceRest = 0;
			socket.pause();
			setImmediate(() => socket.resume());
		});
	});
}

/** Ends a side as the proxy does when its peer has ended. */
async function passEndsOn([one, other]: readonly [Side, Side]): Promise<void> {
	await Promise.all([
		one.tells(1).then(() => other.relayed.end()),
		other.tells(1).then(() => one.relayed.end()),
	]);
	await Promise.all([one.tells(2), other.tells(2)]);
}

/** A megabyte that says where it was cut out of more. */
const pattern = Buffer.from(Array.from({ length: 2 << 20 }, (_, i) => (i * 31 + (i >> 8)) % 256));

const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 1 << 20 })), {
	maxLength: 12,
});
/** After so many bytes a reader does something else for a moment. */
const restEach = fc.constantFrom(Number.POSITIVE_INFINITY, 100_000);
/** What either end of a connection says, in writes of such sizes, and how it listens. */
const talk = fc.record({
	from: fc.nat({ max: 1 << 20 }),
	up: sizes,
	down: sizes,
	daemonRests: restEach,
	clientRests: restEach,
});
type Talk = typeof talk extends fc.Arbitrary<infer T> ? T : never;

async function passesOn({ from, up, down, daemonRests, clientRests }: Talk): Promise<void> {
	const sides = await relayed();
	const [client, daemon] = sides;
	const got = [readAll(daemon.far, daemonRests), readAll(client.far, clientRests)] as const;
	const cut = (all: readonly number[]) => all.map((size) => pattern.subarray(from, from + size));
	const sent = [up, down].map((all) => Buffer.concat(cut(all)));
	for (const bytes of cut(up)) client.far.write(bytes);
	for (const bytes of cut(down)) daemon.far.write(bytes);
	client.far.end();
	daemon.far.end();
	await passEndsOn(sides);
	expect((await got[0]).equals(sent[0]!)).toBe(true);
	expect((await got[1]).equals(sent[1]!)).toBe(true);
	expect([client.relayed.bytesRead, daemon.relayed.bytesRead]).toEqual(sent.map((s) => s.length));
	expect([client.relayed.pendingBytes, daemon.relayed.pendingBytes]).toEqual([0, 0]);
	expect([client.told, daemon.told]).toEqual([
		["end", "close"],
		["end", "close"],
	]);
}

describe("the relay", () => {
	test("passes on any bytes in order, both ways at once, whatever their sizes and whoever is slow", async () => {
		await fc.assert(fc.asyncProperty(talk, passesOn), { numRuns: 40 });
	});

	test("all of a bulk transfer arrives though its sender stays and says no more, however slow its reader is", async () => {
		const bulk = fc.integer({ min: 1 << 20, max: 12 << 20 });
		await fc.assert(
			fc.asyncProperty(bulk, restEach, async (bytes, daemonRests) => {
				const [client, daemon] = await relayed();
				const got = readAll(daemon.far, daemonRests, bytes);
				client.far.write(Buffer.alloc(bytes, "x"));
				expect(await got).toHaveLength(bytes);
				// And so does a word after it.
				const word = readAll(daemon.far, daemonRests, 1);
				client.far.write("!");
				expect((await word).toString()).toBe("!");
			}),
			{ numRuns: 20 },
		);
	});

	test("keeps the bytes of many connections apart", async () => {
		const talks = fc.array(talk, { minLength: 30, maxLength: 30 });
		await fc.assert(
			fc.asyncProperty(talks, async (all) => {
				await Promise.all(all.map(passesOn));
			}),
			{ numRuns: 3 },
		);
	});

	test("a reset at any moment, of either, is the end of its side and of no other", async () => {
		const [, beside] = await relayed();
		const moment = fc.integer({ min: 0, max: 4 << 20 });
		await fc.assert(
			fc.asyncProperty(moment, fc.boolean(), fc.boolean(), async (readBefore, ofDaemon, slow) => {
				const sides = await relayed();
				const [client, daemon] = sides;
				for (const { far } of sides) {
					if (!slow) far.resume();
					for (let i = 0; i < 4; i++) far.write(pattern);
				}
				const [one, other] = ofDaemon ? [daemon, client] : [client, daemon];
				// Slow ones stop each other before that.
				await until(() => one.relayed.bytesRead >= readBefore || one.relayed.pendingBytes > 0);
				one.far.resetAndDestroy();
				await one.tells(1);
				expect(one.told).toEqual([expect.stringMatching(/ECONNRESET|EPIPE/)]);
				expect(other.told).toEqual([]);
				other.relayed.destroy();
				await other.tells(1);
				expect(other.told).toEqual(["close"]);
			}),
			{ numRuns: 40 },
		);
		expect(beside.told).toEqual([]);
	});

	test("one direction may end long before the other", async () => {
		const [client, daemon] = await relayed();
		client.far.end("question");
		await client.tells(1);
		daemon.relayed.end();
		const question = await readAll(daemon.far);
		expect(question.toString()).toBe("question");
		daemon.far.write("an answer");
		daemon.far.end(" in two parts");
		await daemon.tells(1);
		client.relayed.end();
		expect((await readAll(client.far)).toString()).toBe("an answer in two parts");
		await Promise.all([client.tells(2), daemon.tells(2)]);
		expect(daemon.told).toEqual(["end", "close"]);
	});

	test("reads no more than its peer takes, and says what is pending", async () => {
		const sides = await relayed();
		const [client, daemon] = sides;
		const bytes = 64 << 20;
		client.far.end(Buffer.alloc(bytes, "x"));
		await until(() => daemon.relayed.pendingBytes > 0);
		expect(client.relayed.bytesRead).toBeLessThan(bytes);
		daemon.far.end();
		const got = readAll(daemon.far);
		client.far.resume();
		await passEndsOn(sides);
		expect((await got).length).toBe(bytes);
	});

	test("what is pending is given on before an end", async () => {
		const [client, daemon] = await relayed();
		client.far.write(Buffer.alloc(64 << 20));
		await until(() => daemon.relayed.pendingBytes > 0);
		const read = client.relayed.bytesRead;
		daemon.relayed.end();
		const got = readAll(daemon.far);
		expect((await got).length).toBeGreaterThanOrEqual(read);
	});

	test("a reset of one is told, and the other stays until it is destroyed", async () => {
		const [client, daemon] = await relayed();
		daemon.far.resetAndDestroy();
		await daemon.tells(1);
		expect(daemon.told).toEqual(["ECONNRESET"]);
		expect(client.told).toEqual([]);
		client.relayed.destroy();
		await client.tells(1);
		expect(client.told).toEqual(["close"]);
	});

	test("what a daemon said before its reset reaches the client that reads late", async () => {
		const [client, daemon] = await relayed();
		const got = readAll(client.far);
		daemon.far.write("last words");
		await until(() => daemon.relayed.bytesRead === 10);
		daemon.far.resetAndDestroy();
		await daemon.tells(1);
		client.relayed.end();
		expect((await got).toString()).toBe("last words");
	});

	test("what is destroyed with bytes pending is gone at once, and those of others are not", async () => {
		const [client, daemon] = await relayed();
		const [, other] = await relayed();
		client.far.write(Buffer.alloc(64 << 20));
		await until(() => daemon.relayed.pendingBytes > 0);
		daemon.relayed.destroy();
		client.relayed.destroy();
		await Promise.all([client.tells(1), daemon.tells(1)]);
		expect(daemon.relayed.pendingBytes).toBe(0);
		other.far.write("still here");
		await until(() => other.relayed.bytesRead === 10);
	});

	test("commands for what is gone are nothing to it", async () => {
		const [client, daemon] = await relayed();
		client.relayed.destroy();
		client.relayed.destroy();
		client.relayed.end();
		await client.tells(1);
		client.relayed.end();
		daemon.relayed.destroy();
		await daemon.tells(1);
		expect([client.told, daemon.told]).toEqual([["close"], ["close"]]);
	});

	test("a fault in one connection ends that one, and is told", async () => {
		const faults: string[] = [];
		const own = await startRelay(faults);
		onTestFinished(() => own.stop());
		const [, beside] = await relayed(own);
		const { near } = await connected();
		onTestFinished(() => void near.destroy());
		const regular = openSync(fileURLToPath(import.meta.url), "r");
		onTestFinished(() => closeSync(regular));
		const { promise: closed, resolve } = Promise.withResolvers<NodeJS.ErrnoException | undefined>();
		const quiet = { onEnd: () => {}, onClose: () => {} };
		// What epoll cannot wait for.
		const [, other] = own.take([regular, fileDescriptor(near)!], [{ ...quiet, onClose: resolve }, quiet])!;
		expect(await closed).toMatchObject({ code: "EIO" });
		expect(faults).toEqual([expect.stringContaining("epoll_ctl: EPERM")]);
		other.destroy();
		beside.far.write("still here");
		await until(() => beside.relayed.bytesRead === 10);
		await until(() => own.connections === 1);
	});

	test("keeps no process that has nothing else to do", async () => {
		const module = JSON.stringify(new URL("../../proxy/relay/relay.ts", import.meta.url).href);
		const program = `
			import { Relay } from ${module};
			const busy = setInterval(() => {}, 1_000);
			await Relay.start(console.error).ready;
			clearInterval(busy);
			console.log("ready");
		`;
		const ran = promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program]);
		expect(await ran).toEqual({ stdout: "ready\n", stderr: "" });
	});

	test("its end is the end of what it has, and it takes no more", async () => {
		const own = await startRelay();
		const [client, daemon] = await relayed(own);
		own.stop();
		await Promise.all([client.tells(1), daemon.tells(1)]);
		expect(client.told).toEqual(["the relay's thread is gone"]);
		await expect(relayed(own)).rejects.toThrow("not taken");
	});
});

async function until(check: () => boolean): Promise<void> {
	while (!check()) await new Promise((resolve) => setImmediate(resolve));
}
