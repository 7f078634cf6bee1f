import fc from "fast-check";
import { expect, test } from "vitest";
import { readSlice } from "../../kubernetes/endpoint-slice.ts";
import { maxPods, proxyPods } from "./proxy-pods.ts";

interface Listed {
	readonly name: string;
	readonly host: string;
}

function slice(name: string, ...endpoints: readonly Listed[]) {
	return readSlice({
		metadata: { name, resourceVersion: "1" },
		endpoints: endpoints.map(({ name: pod, host }) => ({
			addresses: [host],
			targetRef: { name: pod },
			// As of a pod that terminates, and of one that is not ready yet.
			conditions: { serving: false, terminating: true },
		})),
		ports: null,
	});
}

test("every pod is listed, ready, terminating or neither, with its admin address", () => {
	const slices = [slice("s", { name: "p-a", host: "10.0.0.1" }, { name: "p-b", host: "fd00::2" })];
	expect(proxyPods(slices, 8081)).toEqual([
		{ name: "p-a", admin: "10.0.0.1:8081", terminating: true },
		{ name: "p-b", admin: "[fd00::2]:8081", terminating: true },
	]);
});

test("a pod with IPv4 and IPv6 is one, whatever the order of slices", () => {
	const slices = ["10.0.0.1", "fd00::1"].map((host) => slice(host, { name: "p-a", host }));
	fc.assert(
		fc.property(fc.shuffledSubarray(slices, { minLength: 2 }), (shuffled) => {
			expect(proxyPods(shuffled, 1)).toMatchObject([{ name: "p-a", admin: "10.0.0.1:1" }]);
		}),
	);
});

test("endpoints without a pod, without addresses and by the thousand are no trouble", () => {
	const nobody = readSlice({ metadata: { name: "n", resourceVersion: "1" }, endpoints: null, ports: null });
	const bare = readSlice({
		metadata: { name: "b", resourceVersion: "1" },
		endpoints: [{ addresses: ["10.1.1.1"] }, { addresses: [] }, { addresses: ["10.1.1.2"], hostname: "h" }],
		ports: null,
	});
	expect(proxyPods([nobody, bare], 9)).toEqual([
		{ name: "10.1.1.1", admin: "10.1.1.1:9", terminating: false },
		{ name: "h", admin: "10.1.1.2:9", terminating: false },
	]);
	const many = Array.from({ length: 1_000 }, (_, n) => ({
		name: `p-${n}`,
		host: `10.0.${n >> 8}.${n & 255}`,
	}));
	expect(proxyPods([slice("s", ...many)], 1)).toHaveLength(maxPods);
});
