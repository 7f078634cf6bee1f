import fc from "fast-check";
import { expect, test } from "vitest";
import { daemonsOfAddresses, daemonsOfServices, maxRecords } from "./dns-daemons.ts";

const domain = "buildkitd.builds.svc.cluster.local";
const record = (target: string, address = "10.0.0.1", port = 1234) => ({ target, address, port });
const tcp = (host: string, port = 1234) => ({ t: "tcp", host, port });

test("bare addresses are daemons without an order", () => {
	expect(daemonsOfAddresses(["10.0.0.2", "10.0.0.1", "10.0.0.2"], 1234)).toEqual([
		{ name: "10.0.0.1:1234", address: tcp("10.0.0.1"), ordinal: null, draining: false },
		{ name: "10.0.0.2:1234", address: tcp("10.0.0.2"), ordinal: null, draining: false },
	]);
});

test("a StatefulSet's pods have their names and ordinals", () => {
	const records = [record(`buildkitd-10.${domain}`, "10.0.0.9"), record(`buildkitd-2.${domain}`)];
	expect(daemonsOfServices(records, domain)).toEqual([
		{ name: "buildkitd-2", address: tcp("10.0.0.1"), ordinal: 2, draining: false },
		{ name: "buildkitd-10", address: tcp("10.0.0.9"), ordinal: 10, draining: false },
	]);
});

test.each([
	["a pod that is named by its address", `10-0-0-7.${domain}`, "10.0.0.7", "10-0-0-7"],
	["the same with IPv6", `fd00--7.${domain}`, "fd00::7", "fd00--7"],
	[
		"a Deployment's pod whose random end is all digits",
		`b-7d4b9c-25498.${domain}`,
		"10.0.0.1",
		"b-7d4b9c-25498",
	],
	["a host elsewhere", "build-1.example", "10.0.0.1", "build-1.example:1234"],
	["a host deeper down", `a-1.b.${domain}`, "10.0.0.1", `a-1.b.${domain}:1234`],
])("%s has no ordinal", (_what, target, address, name) => {
	expect(daemonsOfServices([record(target, address)], domain)).toMatchObject([{ name, ordinal: null }]);
});

test("hosts elsewhere may have several daemons; names that no event can carry are left out", () => {
	const records = [record("h.example", "10.0.0.1", 2), record("h.example", "10.0.0.1", 1)];
	expect(daemonsOfServices(records, domain).map(({ name }) => name)).toEqual(["h.example:1", "h.example:2"]);
	expect(daemonsOfServices([record("x".repeat(250))], domain)).toEqual([]);
});

test("whatever the records, their order is of no matter, names are unique and their number is limited", () => {
	const aRecord = fc.record({
		target: fc.constantFrom(`b-0.${domain}`, `B-0.${domain}`, `b-1.${domain}`, "b-0.example", domain, "."),
		address: fc.constantFrom("10.0.0.1", "10.0.0.2", "fd00::1"),
		port: fc.constantFrom(1, 2),
	});
	fc.assert(
		fc.property(
			fc.uniqueArray(aRecord, { selector: ({ target, port }) => `${target}:${port}` }),
			(records) => {
				const daemons = daemonsOfServices(records, domain);
				expect(daemonsOfServices(records.toReversed(), domain)).toEqual(daemons);
				expect(new Set(daemons.map(({ name }) => name)).size).toBe(daemons.length);
			},
		),
	);
	const many = Array.from({ length: 2_500 }, (_, at) => `10.0.${at >> 8}.${at & 255}`);
	expect(daemonsOfAddresses(many, 1)).toHaveLength(maxRecords);
});
