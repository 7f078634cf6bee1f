import { expect, onTestFinished, test } from "vitest";
import { CliProcess } from "../helpers/cli-process.ts";
import { ManualBus } from "../helpers/manual-bus.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

test("a proxy is ready when it has been on the bus, and stays so when that goes", async () => {
	const bus = new ManualBus({ t: "disconnected", reason: "connecting" });
	const { proxy } = await startTestProxy({ bus });
	expect(proxy.ready()).toEqual({ ok: false, reason: "connecting" });
	bus.become({ t: "connected" });
	expect(proxy.ready()).toEqual({ ok: true });
	bus.become({ t: "disconnected", reason: "connection closed" });
	expect(proxy.ready()).toEqual({ ok: true });
});

test("with nats-server gone a proxy's Service keeps it, and it takes clients in", async () => {
	const nats = await startNatsServer();
	onTestFinished(() => nats.kill());
	const started = CliProcess.start(
		"proxy",
		...["--daemons", "127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
		...["--nats", nats.url, "--drain-grace", "0s"],
	);
	const [, port] = await started.line(/"port":(\d+).*"pool ready"/);
	const [, adminPort] = await started.line(/"admin":(\d+)/);
	await started.line(/"t":"connected"/);
	await nats.kill();
	await started.line(/"t":"disconnected"/);
	expect((await fetch(`http://127.0.0.1:${adminPort}/readyz`)).status).toBe(200);
	const client = await RawClient.opened(Number(port));
	await started.line(/build waiting/);
	client.socket.destroy();
});
