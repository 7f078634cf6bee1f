import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EndpointSlice, readSlice } from "../../kubernetes/endpoint-slice.ts";
import { daemonsOfSlices } from "./endpoint-slice-daemons.ts";
import { maxDaemons } from "./endpoint-slice-service.ts";

const buildkit = { name: "buildkit", port: 1234, protocol: "TCP" };

function slice(endpoints: unknown[] | null, ports: unknown[] | null = [buildkit], name = "s"): EndpointSlice {
	return readSlice({ metadata: { name, resourceVersion: "1" }, endpoints, ports });
}

function endpoint(pod: string, address: string, more: object = {}) {
	return {
		addresses: [address],
		hostname: pod,
		targetRef: { kind: "Pod", name: pod, uid: address },
		...more,
	};
}

const tcp = (host: string, port = 1234) => ({ t: "tcp", host, port });
const only = (endpoints: unknown[], port: string | number = "buildkit") =>
	daemonsOfSlices([slice(endpoints)], port)[0];

describe("a daemon", () => {
	test("of a StatefulSet has the pod's name and ordinal", () => {
		expect(only([endpoint("buildkitd-12", "10.0.0.1")])).toEqual({
			name: "buildkitd-12",
			address: tcp("10.0.0.1"),
			ordinal: 12,
			draining: false,
		});
	});

	test("of a Deployment has no ordinal, though its random suffix may be all digits", () => {
		const pod = endpoint("buildkitd-7d4b9c-25498", "10.0.0.1", { hostname: undefined });
		expect(only([pod])).toMatchObject({ name: "buildkitd-7d4b9c-25498", ordinal: null });
	});

	test("without a pod is named by its hostname, else by its address", () => {
		const bare = { addresses: ["10.0.0.1"] };
		expect(only([{ ...bare, hostname: "build-1" }])).toMatchObject({ name: "build-1", ordinal: null });
		expect(only([bare])).toMatchObject({ name: "10.0.0.1", ordinal: null });
	});

	test("may have an IPv6 address; of both families IPv4 is used", () => {
		const v6 = endpoint("d-0", "fd00::1", { targetRef: { name: "d-0", uid: "u" } });
		const v4 = endpoint("d-0", "10.0.0.1", { targetRef: { name: "d-0", uid: "u" } });
		expect(only([v6])?.address).toEqual(tcp("fd00::1"));
		expect(daemonsOfSlices([slice([v6]), slice([v4])], "buildkit")).toMatchObject([
			{ name: "d-0", address: tcp("10.0.0.1") },
		]);
	});

	test("is listed before it is ready, and drains once it terminates", () => {
		const starting = { conditions: { ready: false, serving: false, terminating: false } };
		const stopping = { conditions: { ready: true, serving: true, terminating: true } };
		expect(only([endpoint("d-0", "10.0.0.1", starting)])?.draining).toBe(false);
		expect(only([endpoint("d-0", "10.0.0.1", stopping)])?.draining).toBe(true);
		expect(only([endpoint("d-0", "10.0.0.1", { conditions: null })])?.draining).toBe(false);
	});

	test("without an address, or in a slice without anything, is none", () => {
		expect(only([{ addresses: [] }, { addresses: [""] }])).toBeUndefined();
		expect(daemonsOfSlices([slice(null, null), slice([])], "buildkit")).toEqual([]);
	});
});

describe("the port", () => {
	const withPorts = (ports: unknown[] | null, port: string | number) =>
		daemonsOfSlices([slice([endpoint("d-0", "10.0.0.1")], ports)], port)[0]?.address;

	test("is found by its name, in each slice by itself", () => {
		const daemons = daemonsOfSlices(
			[
				slice([endpoint("d-0", "10.0.0.1")]),
				slice([endpoint("d-1", "10.0.0.2")], [{ ...buildkit, port: 99 }]),
			],
			"buildkit",
		);
		expect(daemons.map(({ address }) => address)).toEqual([tcp("10.0.0.1"), tcp("10.0.0.2", 99)]);
	});

	test("may be the only one and have no name", () => {
		expect(withPorts([{ name: "", port: 5 }], "buildkit")).toEqual(tcp("10.0.0.1", 5));
		expect(
			withPorts(
				[
					{ name: "", port: 5 },
					{ name: "x", port: 6 },
				],
				"buildkit",
			),
		).toBeUndefined();
		expect(withPorts([{ name: "x", port: 5 }], "buildkit")).toBeUndefined();
	});

	test("is TCP", () => {
		expect(withPorts([{ name: "buildkit", port: 5, protocol: "UDP" }], "buildkit")).toBeUndefined();
	});

	test("as a number is taken as it is, declared or not", () => {
		expect(withPorts(null, 8080)).toEqual(tcp("10.0.0.1", 8080));
	});
});

describe("the same name twice", () => {
	test("is the pod that does not terminate: the other one's slice is behind", () => {
		const old = endpoint("d-0", "10.0.0.1", { conditions: { terminating: true, serving: true } });
		const young = endpoint("d-0", "10.0.0.9", { conditions: { serving: false } });
		expect(daemonsOfSlices([slice([old]), slice([young])], "buildkit")).toEqual([
			{ name: "d-0", address: tcp("10.0.0.9"), ordinal: 0, draining: false },
		]);
	});

	test("in two slices drains as soon as one of them says so", () => {
		const before = slice([endpoint("d-0", "10.0.0.1")]);
		const after = slice([endpoint("d-0", "10.0.0.1", { conditions: { terminating: true } })]);
		expect(daemonsOfSlices([before, after], "buildkit")).toMatchObject([{ draining: true }]);
	});
});

// Few names and addresses, so that they collide.
const anEndpoint = fc.record({
	addresses: fc.array(fc.constantFrom("10.0.0.1", "10.0.0.2", "fd00::1", "host.example"), { maxLength: 2 }),
	hostname: fc.option(fc.constantFrom("d-0", "d-1")),
	targetRef: fc.option(
		fc.record({
			name: fc.constantFrom("d-0", "d-1", "web-abc-4"),
			uid: fc.option(fc.constantFrom("u1", "u2")),
		}),
	),
	conditions: fc.option(
		fc.record({ serving: fc.option(fc.boolean()), terminating: fc.option(fc.boolean()) }),
	),
});
const somePorts = fc.option(
	fc.array(
		fc.record({ name: fc.constantFrom("", "buildkit", "x"), port: fc.option(fc.nat(9).map((n) => n + 1)) }),
	),
);
const someSlices = fc.array(
	fc.record({ endpoints: fc.option(fc.array(anEndpoint, { maxLength: 6 })), ports: somePorts }),
	{ maxLength: 4 },
);
const somePort = fc.constantFrom<string | number>("buildkit", 1234);

describe("whatever the slices", () => {
	const read = (raw: { endpoints: unknown[] | null; ports: unknown[] | null }[]) =>
		raw.map(({ endpoints, ports }, at) => slice(endpoints, ports, `s${at}`));

	test("their order and that of their endpoints is of no matter", () => {
		fc.assert(
			fc.property(someSlices, somePort, (raw, port) => {
				const turned = raw
					.toReversed()
					.map((one) => ({ ...one, endpoints: one.endpoints?.toReversed() ?? null }));
				expect(daemonsOfSlices(read(turned), port)).toEqual(daemonsOfSlices(read(raw), port));
			}),
		);
	});

	test("each name is listed once, with an address and port that were there, in order", () => {
		fc.assert(
			fc.property(someSlices, somePort, (raw, port) => {
				const daemons = daemonsOfSlices(read(raw), port);
				expect(new Set(daemons.map(({ name }) => name)).size).toBe(daemons.length);
				for (const { name, address } of daemons) {
					if (address.t !== "tcp") throw new Error("not TCP");
					const sources = raw.filter(({ endpoints }) =>
						endpoints?.some(
							(one) =>
								one.addresses[0] === address.host &&
								[one.targetRef?.name, one.hostname, one.addresses[0]].some((given) => given === name),
						),
					);
					const ports = sources.flatMap((one) => (one.ports ?? []).map((declared) => declared.port));
					expect([...ports, typeof port === "number" ? port : null]).toContain(address.port);
				}
				const ordinals = daemons.map(({ ordinal }) => ordinal ?? Number.POSITIVE_INFINITY);
				expect(ordinals).toEqual(ordinals.toSorted((a, b) => a - b));
			}),
		);
	});

	test("a daemon all of whose endpoints terminate drains; one none of whose do does not", () => {
		fc.assert(
			fc.property(someSlices, somePort, (raw, port) => {
				const all = raw.flatMap(({ endpoints }) => endpoints ?? []);
				for (const { name, draining } of daemonsOfSlices(read(raw), port)) {
					const its = all.filter((one) => (one.targetRef?.name ?? one.hostname ?? one.addresses[0]) === name);
					const terminating = its.filter((one) => one.conditions?.terminating);
					if (terminating.length === its.length) expect(draining).toBe(true);
					if (terminating.length === 0) expect(draining).toBe(false);
				}
			}),
		);
	});

	test("who is listed as not draining has no terminating endpoint, in any slice", () => {
		fc.assert(
			fc.property(someSlices, (raw) => {
				const all = raw.flatMap(({ endpoints }) => endpoints ?? []).filter((one) => one.addresses.length > 0);
				const nameOf = (one: (typeof all)[0]) => one.targetRef?.name ?? one.hostname ?? one.addresses[0];
				const podOf = (one: (typeof all)[0]) => one.targetRef?.uid ?? one.addresses[0];
				for (const { name, address, draining } of daemonsOfSlices(read(raw), 1234)) {
					if (draining || address.t !== "tcp") continue;
					const named = all.filter((one) => nameOf(one) === name);
					const there = named.filter((one) => one.addresses[0] === address.host);
					const alive = there.filter(
						(one) => !named.some((other) => podOf(other) === podOf(one) && other.conditions?.terminating),
					);
					expect(alive).not.toEqual([]);
				}
			}),
		);
	});
});

test("more daemons than a snapshot holds are not listed, and thousands are quick", () => {
	const slices = Array.from({ length: 120 }, (_, at) =>
		slice(
			Array.from({ length: 100 }, (__, n) => endpoint(`d-${at * 100 + n}`, `10.1.${at}.${n}`)),
			[buildkit],
			`s${at}`,
		),
	);
	const startedAt = performance.now();
	const daemons = daemonsOfSlices(slices, "buildkit");
	expect(performance.now() - startedAt).toBeLessThan(1_000);
	expect(daemons).toHaveLength(maxDaemons);
	expect(daemons.at(-1)?.ordinal).toBe(maxDaemons - 1);
});
