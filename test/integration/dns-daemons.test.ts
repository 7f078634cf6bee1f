// A proxy whose daemons are in DNS, on real sockets: a name server that the test makes flap, and its own daemons.
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../common/clock.ts";
import { createLogger } from "../../common/log.ts";
import { DnsLookup } from "../../proxy/discovery/dns/dns-lookup.ts";
import { parseDnsName } from "../../proxy/discovery/dns/dns-name.ts";
import { DnsSource } from "../../proxy/discovery/dns/dns-source.ts";
import { DnsServer, type Zone } from "../helpers/dns-server.ts";
import { RawClient } from "../helpers/raw-client.ts";
import { daemonSettings, startStandIn } from "../helpers/stand-in-daemon.ts";
import { startTestProxy } from "../helpers/test-proxy.ts";

const service = "buildkitd.builds.svc.cluster.local";

async function start(name: string) {
	const dns = await DnsServer.start();
	const lookup = new DnsLookup(parseDnsName(name)!, { servers: [dns.address] });
	const source = new DnsSource(name, { lookup, clock: systemClock, log: createLogger("silent") });
	onTestFinished(() => source.close());
	const whole = await startTestProxy({ daemons: source, clock: systemClock });
	const pool = () => whole.proxy.state().pools[0]!;
	/** Resolves once so many looks more have ended. */
	const looks = async (count: number) => {
		const before = dns.queries.length;
		await whole.until(() => dns.queries.length >= before + count + 1);
	};
	return { ...whole, dns, daemons: source, pool, looks };
}

test("a waiting build gets a daemon within a second of its record", async () => {
	const daemon = await startStandIn();
	const { dns, daemons, port, until, pool, moves } = await start(`${service}.:${daemon.port}`);
	await until(() => daemons.ready().ok);
	expect(pool().why).toBe(null);
	await RawClient.opened(port);
	await until(() => pool().waiting === 1);
	expect(pool().why).toBe("none has been started");
	// Long enough that it looks at its own pace.
	await until(() => dns.queries.length >= 4);
	dns.names.set(service, { addresses: ["127.0.0.1"] });
	const publishedAt = performance.now();
	await until(() => moves.at(-1)?.state === "live");
	const tookMs = performance.now() - publishedAt;
	process.stdout.write(`DNS record to build on the daemon: ${Math.round(tookMs)} ms\n`);
	// Half a second and what the machine adds; 5 s for one that does not hurry.
	expect(tookMs).toBeLessThan(1_500);
	expect(pool().daemons).toMatchObject([{ name: `127.0.0.1:${daemon.port}`, ordinal: null, active: 1 }]);
});

test("SRV records come and go, servers fail: builds go on, and whoever waits is served", async () => {
	const [first, second] = [await startStandIn(), await startStandIn()];
	const { dns, daemons, port, until, pool, moves, looks } = await start(`_buildkit._tcp.${service}.`);
	const pods = (...of: readonly [string, number][]): Zone => {
		for (const [pod] of of) dns.names.set(`${pod}.${service}`, { addresses: ["127.0.0.1"] });
		return { services: of.map(([pod, podPort]) => ({ target: `${pod}.${service}`, port: podPort })) };
	};
	const publish = (zone: Zone) => dns.names.set(`_buildkit._tcp.${service}`, zone);
	publish(pods(["b-0", first.port]));
	const build = await RawClient.opened(port);
	await until(() => moves.at(-1)?.state === "live");
	expect(pool().daemons).toMatchObject([{ name: "b-0", ordinal: 0, active: 1 }]);

	// So that it looks often: three more fill b-0, one waits.
	await Promise.all([1, 2, 3].map(() => RawClient.opened(port)));
	await until(() => pool().daemons[0]?.active === 4);
	await RawClient.opened(port);
	await until(() => pool().waiting === 1);
	for (const zone of ["SERVFAIL", "REFUSED"] as const) {
		publish(zone);
		await looks(2);
		expect(daemons.daemons.map(({ name }) => name)).toEqual(["b-0"]);
		expect(daemons.ready().ok).toBe(true);
	}
	dns.names.delete(`_buildkit._tcp.${service}`);
	await until(() => daemons.daemons.length === 0);
	// Not listed any more, and still there for the builds that it has.
	expect(pool().daemons).toMatchObject([{ name: "b-0", active: 4 }]);
	expect(pool().why).toBe("none has been started");

	publish(pods(["b-1", second.port]));
	await until(() => pool().waiting === 0 && moves.at(-1)?.state === "live");
	expect(pool().daemons).toMatchObject([
		{ name: "b-0", active: 4 },
		{ name: "b-1", active: 1 },
	]);
	const late = Buffer.from("still here");
	first.connections[0]?.socket.write(late);
	await expect.poll(() => build.received.includes(late)).toBe(true);
	expect(build.received.includes(daemonSettings)).toBe(true);
});
