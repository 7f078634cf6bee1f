import { describe, expect, test } from "vitest";
import { DnsServer } from "../../../test/helpers/dns-server.ts";
import { maxRecords } from "./dns-daemons.ts";
import { DnsLookup } from "./dns-lookup.ts";
import { parseDnsName } from "./dns-name.ts";

const never = new AbortController().signal;
const rules = { search: ["builds.svc.cluster.local", "cluster.local", "outside.example"], ndots: 5 };
const service = "buildkitd.builds.svc.cluster.local";

async function lookup(name: string) {
	const server = await DnsServer.start();
	const dns = new DnsLookup(parseDnsName(name)!, { servers: [server.address], rules });
	return {
		server,
		names: server.names,
		async daemons(signal: AbortSignal = never) {
			const { daemons } = await dns.resolve(signal);
			return daemons.map(({ name: daemon, address, ordinal }) => {
				return [daemon, address.t === "tcp" ? `${address.host} ${address.port}` : "", ordinal];
			});
		},
		resolve: () => dns.resolve(never),
	};
}

describe("addresses", () => {
	test("a name that does not exist, or has no records, has no daemons; nothing is remembered", async () => {
		const { names, daemons } = await lookup("buildkitd:1234");
		expect(await daemons()).toEqual([]);
		names.set(service, {});
		expect(await daemons()).toEqual([]);
		names.set(service, { addresses: ["127.0.0.2", "127.0.0.1"] });
		expect(await daemons()).toEqual([
			["127.0.0.1:1234", "127.0.0.1 1234", null],
			["127.0.0.2:1234", "127.0.0.2 1234", null],
		]);
		names.set(service, { addresses: ["127.0.0.3"] });
		expect(await daemons()).toEqual([["127.0.0.3:1234", "127.0.0.3 1234", null]]);
		names.delete(service);
		expect(await daemons()).toEqual([]);
	});

	test("IPv6 is used where there is no IPv4", async () => {
		const { names, daemons } = await lookup("buildkitd:1");
		names.set(service, { addresses: ["fd00::1"] });
		expect(await daemons()).toEqual([["fd00::1:1", "fd00::1 1", null]]);
		names.set(service, { addresses: ["fd00::1", "10.0.0.1"] });
		expect(await daemons()).toEqual([["10.0.0.1:1", "10.0.0.1 1", null]]);
	});

	test("an answer that is too large for UDP comes by TCP; its records are limited", async () => {
		const { server, names, resolve } = await lookup("buildkitd:1");
		const addresses = Array.from({ length: 3_000 }, (_, at) => `10.1.${at >> 8}.${at & 255}`);
		names.set(service, { addresses });
		const { daemons, records } = await resolve();
		expect(server.tcpQueries).toBe(1);
		expect(records).toBe(3_000);
		expect(daemons).toHaveLength(maxRecords);
	});
});

describe("a failure is no answer", () => {
	test.each([
		["SERVFAIL", "ESERVFAIL"],
		["REFUSED", "EREFUSED"],
		["silent", "ETIMEOUT"],
	] as const)("%s", async (zone, code) => {
		const { names, daemons } = await lookup(`${service}.:1234`);
		names.set(service, zone);
		await expect(daemons()).rejects.toMatchObject({ code });
	});

	test("of a server that is not there", async () => {
		const dns = new DnsLookup({ t: "addresses", name: "a.", port: 1 }, { servers: ["127.0.0.1:1"] });
		await expect(dns.resolve(never)).rejects.toMatchObject({ code: "ECONNREFUSED" });
	});

	test("unless another full name has an answer; the one that had records decides alone from then on", async () => {
		const { server, names, daemons } = await lookup("buildkitd:1234");
		names.set("buildkitd.outside.example", "SERVFAIL");
		expect(await daemons()).toEqual([]);
		names.set(service, { addresses: ["10.0.0.1"] });
		expect(await daemons()).toHaveLength(1);
		server.queries.length = 0;
		names.set(service, "SERVFAIL");
		await expect(daemons()).rejects.toMatchObject({ code: "ESERVFAIL" });
		names.delete(service);
		expect(await daemons()).toEqual([]);
		expect(new Set(server.queries)).toEqual(new Set([`A ${service}`]));
	});

	test("of one target of many: the list would lack it", async () => {
		const { names, daemons } = await lookup("_buildkit._tcp.buildkitd.builds.svc");
		const services = ["b-0", "b-1"].map((pod) => ({ target: `${pod}.${service}`, port: 1 }));
		names.set(`_buildkit._tcp.${service}`, { services });
		names.set(`b-0.${service}`, { addresses: ["10.0.0.1"] });
		names.set(`b-1.${service}`, "SERVFAIL");
		await expect(daemons()).rejects.toMatchObject({ code: "ESERVFAIL" });
	});

	test("and a look that is given up ends at once", async () => {
		const { server, names, daemons } = await lookup("buildkitd:1234");
		for (const domain of rules.search) names.set(`buildkitd.${domain}`, "silent");
		const giveUp = new AbortController();
		const look = daemons(giveUp.signal);
		await expect.poll(() => server.queries.length).toBe(1);
		giveUp.abort();
		await expect(look).rejects.toMatchObject({ code: "ECANCELLED" });
		expect(server.queries).toHaveLength(1);
	});
});

describe("SRV records", () => {
	test("of a StatefulSet tell name, ordinal and port of each pod", async () => {
		const { names, daemons } = await lookup("_buildkit._tcp.buildkitd.builds.svc");
		const services = [10, 2].map((n) => ({ target: `b-${n}.${service}`, port: 1200 + n }));
		names.set(`_buildkit._tcp.${service}`, { services });
		names.set(`b-10.${service}`, { addresses: ["10.0.0.10"] });
		names.set(`b-2.${service}`, { addresses: ["fd00::2"] });
		expect(await daemons()).toEqual([
			["b-2", "fd00::2 1202", 2],
			["b-10", "10.0.0.10 1210", 10],
		]);
		// A pod that went between the two questions.
		names.delete(`b-2.${service}`);
		expect(await daemons()).toEqual([["b-10", "10.0.0.10 1210", 10]]);
		names.delete(`_buildkit._tcp.${service}`);
		expect(await daemons()).toEqual([]);
	});

	test("may say that there is nothing", async () => {
		const { names, daemons } = await lookup("_buildkit._tcp.buildkitd.builds.svc");
		names.set(`_buildkit._tcp.${service}`, { services: [{ target: "", port: 1 }] });
		expect(await daemons()).toEqual([]);
	});

	test("two hundred of them come by TCP, and each target is looked up", async () => {
		const { server, names, daemons } = await lookup("_buildkit._tcp.buildkitd.builds.svc");
		const pods = Array.from({ length: 200 }, (_, at) => `b-${at}.${service}`);
		names.set(`_buildkit._tcp.${service}`, { services: pods.map((target) => ({ target, port: 1 })) });
		for (const [at, pod] of pods.entries()) names.set(pod, { addresses: [`10.0.0.${at}`] });
		expect((await daemons()).map(([, , ordinal]) => ordinal)).toEqual([...pods.keys()]);
		expect(server.tcpQueries).toBe(1);
	});
});
