// Two proxies, two scalers, a nats-server and real daemons: a daemon is to end while builds are on it.
import { once } from "node:events";
import net, { type AddressInfo } from "node:net";
import { Registry } from "prom-client";
import { expect, onTestFinished, test } from "vitest";
import { startAdmin } from "../../common/admin.ts";
import { systemClock } from "../../common/clock.ts";
import { NatsBus } from "../../events/nats-bus.ts";
import { buildContext, buildctl } from "../helpers/build-client.ts";
import { startBuildkitd } from "../helpers/buildkitd.ts";
import { runDrainScript } from "../helpers/drain-script.ts";
import { freePort } from "../helpers/free-port.ts";
import { connected } from "../helpers/nats-proxy.ts";
import { startNatsServer } from "../helpers/nats-server.ts";
import { startTestScaler } from "../helpers/scaler.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

async function start() {
	const nats = await startNatsServer();
	onTestFinished(() => nats.kill());
	const busOf = async (name: string) => {
		const bus = new NatsBus({ url: nats.url, name, clock: systemClock });
		onTestFinished(() => bus.close());
		await connected(bus);
		return bus;
	};
	const ports = [await freePort(), await freePort()] as const;
	await Promise.all(ports.map((port) => startBuildkitd(port)));
	const proxies = await Promise.all(
		["a", "b"].map(async (id) => {
			const tested = await startTestProxy({ id, bus: await busOf(id), clock: systemClock });
			tested.source.set(ports);
			return tested;
		}),
	);
	const urls = await Promise.all(
		["one", "two"].map(async (name) => {
			const bus = await busOf(name);
			const { scaler, stop } = await startTestScaler(
				{ bus, clock: systemClock },
				{ expectedProxies: ["a", "b"] },
			);
			onTestFinished(stop);
			const sources = {
				ready: scaler.ready,
				registry: new Registry(),
				state: scaler.state,
				post: scaler.post,
			};
			const admin = await startAdmin({ host: "127.0.0.1", port: 0 }, sources);
			onTestFinished(() => admin.close());
			return `http://127.0.0.1:${admin.port}/drain/default/default`;
		}),
	);
	const drain = async (at: number, daemon: string, pool = urls[at]) => {
		const response = await fetch(`${pool}/${daemon}`, { method: "POST" });
		return `${response.status} ${await response.text()}`;
	};
	return { ports, proxies, urls, drain };
}

/** A RUN step that is over when the test says so. */
async function gate() {
	const sockets = new Set<net.Socket>();
	const server = net.createServer({ allowHalfOpen: true }, (socket) => {
		socket.on("error", () => {});
		sockets.add(socket);
	});
	await once(server.listen(0, "127.0.0.1"), "listening");
	const open = () => {
		for (const socket of sockets) socket.destroy();
		server.close();
	};
	onTestFinished(open);
	const { port } = server.address() as AddressInfo;
	return { command: `echo begun; /bin/busybox nc 127.0.0.1 ${port}; true`, open };
}

test("both scalers and the preStop hook let it go when its last build is over, and no new one comes", async () => {
	const { ports, proxies, urls, drain } = await start();
	const [a, b] = proxies;
	const { command, open } = await gate();
	const first = buildctl(`tcp://127.0.0.1:${a?.port}`, buildContext(command));
	await first.line(/begun/);
	let released = false;
	const answers = Promise.all([0, 1].map((at) => drain(at, "daemon-0"))).finally(() => {
		released = true;
	});
	const hook = runDrainScript(urls[1] ?? "", ports[0]);
	await b?.until(() => b.proxy.state().pools[0]?.daemons[0]?.draining === true);
	const second = buildctl(`tcp://127.0.0.1:${b?.port}`);
	expect(await second.exited).toBe(0);
	expect(b?.moves.findLast(({ state }) => state === "live")?.daemon).toBe("daemon-1");
	expect(released).toBe(false);
	open();
	expect(await first.exited).toBe(0);
	const drained = "200 drained: no build is on daemon-0, and none comes\n";
	expect(await answers).toEqual([drained, drained]);
	expect(await hook.ended).toBe(0);
	expect(hook.lines.at(-1)).toContain("drained: no build is on daemon-0");
});

test("a build that came around the proxies holds it too; what nobody knows is 404", async () => {
	const { ports, drain } = await start();
	const { command, open } = await gate();
	const build = buildctl(`tcp://127.0.0.1:${ports[1]}`, buildContext(command));
	await build.line(/begun/);
	const answer = drain(0, "daemon-1");
	// As long as it takes: proxies confirm at once, and then the daemon is asked.
	const soon = new Promise((resolve) => setTimeout(resolve, 3_000, "waits"));
	expect(await Promise.race([answer, soon])).toBe("waits");
	open();
	expect(await build.exited).toBe(0);
	expect(await answer).toMatch(/^200 drained/);
	expect(await drain(1, "daemon-9")).toBe(
		"404 unknown: no proxy of pool default/default knows daemon daemon-9\n",
	);
});
