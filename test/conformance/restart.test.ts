// Points 16 and 30 of the list: a process with many streams, and one that is killed.
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { freePort } from "../helpers/free-port.ts";
import { scaledObject } from "../helpers/scaler.ts";
import { grpcGo } from "./go-client.ts";
import { answersUntil, ask, knowsTheProxy, nats, scalerProcess } from "./processes.ts";
import { connect, endClientsAfterAll, withBothClients } from "./setup.ts";

endClientsAfterAll();

test("16 10,000 streams take below 300 MB, and nothing of the processor while they are idle", async () => {
	const { server, proxy } = await nats();
	proxy.say({});
	const { address, openStreams, pid } = await scalerProcess(server, ...knowsTheProxy);
	const before = residentMb(pid);
	const keda = connect(grpcGo, address);
	const streams = keda.streams("StreamIsActive", scaledObject(), 10_000);
	while ((await openStreams()) !== 10_000) await delay(50);
	const after = residentMb(pid);
	// V8 tidies up for a moment after the rush.
	await delay(1_000);
	const usedBefore = processorMs(pid);
	await delay(2_000);
	const used = processorMs(pid) - usedBefore;
	console.info(
		`10,000 streams: ${before.toFixed(0)} -> ${after.toFixed(0)} MB, ${used} ms CPU in 2 s of idleness`,
	);
	expect(after).toBeLessThan(300);
	expect(used).toBeLessThan(200);
	proxy.say({ waiting: 1 });
	await streams.received(1);
});

withBothClients(
	"30 killed and restarted: unavailable until it knows, then right, and the reopened stream is told",
	async (kind) => {
		const { server, proxy } = await nats();
		proxy.say({ busy: [1], waiting: 1 });
		const listen = ["--listen", `127.0.0.1:${await freePort()}`];
		const first = await scalerProcess(server, ...listen);
		const before = connect(kind, first.address);
		const streams = before.streams("StreamIsActive", scaledObject(), 1);
		await streams.received(1);
		first.started.child.kill("SIGKILL");
		expect(await streams.ended()).not.toEqual(["OK"]);
		await first.started.exited;

		const second = await scalerProcess(server, ...listen);
		const keda = connect(kind, second.address);
		const reopened = keda.streams("StreamIsActive", scaledObject(), 1);
		expect(await ask(keda)).toBe("UNAVAILABLE");
		await reopened.received(1);
		expect(await answersUntil(keda, 4)).toEqual(["UNAVAILABLE", 4]);
	},
);

function residentMb(pid: number | undefined): number {
	const [, kib] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
	return (Number(kib) * 1024) / 1e6;
}

/** Processor time the process has used, in ms: fields 14 and 15 of proc(5)'s stat, in hundredths of a second. */
function processorMs(pid: number | undefined): number {
	const [, fields = ""] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ");
	const [user, system] = fields.split(" ").slice(11, 13).map(Number);
	return ((user ?? 0) + (system ?? 0)) * 10;
}
