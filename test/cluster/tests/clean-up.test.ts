// The kit cleans up after itself, however it ends. (Its clean `stop` is proven by cluster.test.ts.)
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { aloneOnTheMachine } from "../../helpers/alone.ts";
import { ToolError } from "../../tools/tool-error.ts";
import { ports } from "../layout.ts";
import { leftOvers } from "../left-overs.ts";
import { startCluster } from "../start-cluster.ts";
import { machine } from "./machine.ts";

aloneOnTheMachine();

const holder = fileURLToPath(new URL("./hold-cluster.ts", import.meta.url));

/** Runs a kit in a process of its own and kills it with SIGKILL when it says the line. */
async function killKitAt(line: RegExp): Promise<void> {
	const kit = spawn(process.execPath, [holder], { stdio: ["ignore", "inherit", "pipe"] });
	const exited = once(kit, "exit");
	const said: string[] = [];
	for await (const text of createInterface(kit.stderr)) {
		said.push(text);
		if (line.test(text)) break;
	}
	kit.kill("SIGKILL");
	const [, signal] = await exited;
	expect(signal, said.join("\n")).toBe("SIGKILL");
}

test.each([
	{ when: "half started", line: /^cluster: apiserver/ },
	{ when: "holding a cluster", line: /^held/ },
])("a kit killed while $when leaves things behind, and the next start removes them", async ({ line }) => {
	const before = await machine();
	await killKitAt(line);
	expect(await leftOvers()).not.toEqual([]);
	const cluster = await startCluster();
	expect(await cluster.kubectl(["get", "nodes", "--output=name"])).toBe("node/node1\n");
	await cluster.stop();
	expect(await leftOvers()).toEqual([]);
	expect(await machine()).toEqual(before);
});

test("a failing start names the component, shows the end of its log and cleans up", async () => {
	const before = await machine();
	const inTheWay = createServer().listen(ports.etcd, "0.0.0.0");
	await once(inTheWay, "listening");
	try {
		const error = await startCluster().then(
			() => undefined,
			(reason: unknown) => reason,
		);
		expect(error).toBeInstanceOf(ToolError);
		expect((error as ToolError).message).toMatch(/^etcd ended while starting/);
		expect((error as ToolError).details).toContain("address already in use");
		expect(await leftOvers()).toEqual([]);
		expect(await machine()).toEqual(before);
	} finally {
		inTheWay.close();
	}
});

test("a second kit is told that the first is busy", async () => {
	const cluster = await startCluster();
	try {
		await expect(startCluster()).rejects.toThrow(
			`another process is using the cluster: process ${process.pid}`,
		);
		expect(await cluster.kubectl(["get", "nodes", "--output=name"])).toBe("node/node1\n");
	} finally {
		await cluster.stop();
	}
});
