import { once } from "node:events";
import net from "node:net";
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { type AdminSources, startAdmin } from "./admin.ts";

async function start(post?: AdminSources["post"]) {
	const sources = { ready: () => ({ ok: true }), registry: new Registry(), state: () => ({}) };
	const admin = await startAdmin({ host: "127.0.0.1", port: 0 }, { ...sources, ...(post && { post }) });
	onTestFinished(() => admin.close());
	const send = async (path: string, init: RequestInit = { method: "POST" }) => {
		const response = await fetch(`http://127.0.0.1:${admin.port}${path}`, init);
		return `${response.status} ${await response.text()}`;
	};
	return { port: admin.port, send };
}

test("POST is answered where there is something to post to, and what is sent is not looked at", async () => {
	const { send } = await start((path) =>
		path === "/do" ? Promise.resolve({ status: 202, body: "busy" }) : undefined,
	);
	expect(await send("/do")).toBe("202 busy\n");
	expect(await send("/do", { method: "POST", body: "x".repeat(100_000) })).toBe("202 busy\n");
	expect(await send("/other")).toMatch(/^404 /);
	expect(await send("/do", {})).toMatch(/^404 /);
	expect(await send("/do", { method: "PUT" })).toMatch(/^405 /);
	expect(await (await start()).send("/do")).toMatch(/^405 /);
});

test("what fails is said, and who leaves is noticed", async () => {
	let leaves = () => {};
	const left = new Promise<void>((resolve) => {
		leaves = resolve;
	});
	const { port, send } = await start((path, signal) => {
		if (path === "/fails") return Promise.reject(new Error("broken"));
		signal.addEventListener("abort", leaves);
		return new Promise(() => {});
	});
	expect(await send("/fails")).toBe("500 broken\n");
	const socket = net.connect(port, "127.0.0.1");
	await once(socket, "connect");
	socket.write("POST /waits HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
	setTimeout(() => socket.destroy(), 50);
	await left;
});
