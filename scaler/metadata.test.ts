import fc from "fast-check";
import { expect, test } from "vitest";
import { ScalerError } from "../common/error.ts";
import { anyUnit } from "../test/helpers/any-unit.ts";
import { parseScaledObjectRef } from "./metadata.ts";

const ref = (scalerMetadata: Record<string, string>, namespace = "ci") => ({
	name: "so",
	namespace,
	scalerMetadata,
});

test("pool alone", () => {
	expect(parseScaledObjectRef(ref({ pool: "amd64" }))).toEqual({
		key: "ci/amd64",
		buildsPerDaemon: undefined,
	});
});

test("buildsPerDaemon", () => {
	expect(parseScaledObjectRef(ref({ pool: "a", buildsPerDaemon: "12" })).buildsPerDaemon).toBe(12);
});

test("cooldownPeriod", () => {
	const cooldownOf = (cooldownPeriod: string) =>
		parseScaledObjectRef(ref({ pool: "a", cooldownPeriod })).cooldownSeconds;
	expect(["0", "300", "10000000"].map(cooldownOf)).toEqual([0, 300, 10_000_000]);
});

test("scaleUpTolerance", () => {
	const toleranceOf = (scaleUpTolerance: string) =>
		parseScaledObjectRef(ref({ pool: "a", scaleUpTolerance })).tolerance;
	expect(["0", "0.1", "0.05", "1"].map(toleranceOf)).toEqual([0, 0.1, 0.05, 1]);
});

test("keys of KEDA's own and unknown ones are ignored", () => {
	const metadata = { scalerAddress: "s:6000", enableTLS: "true", unsafeSsl: "maybe", extra: "", pool: "a" };
	expect(parseScaledObjectRef(ref(metadata)).key).toBe("ci/a");
});

test("values from the scale target's environment", () => {
	const metadata = { poolFromEnv: "a", buildsPerDaemonFromEnv: "2" };
	expect(parseScaledObjectRef(ref(metadata))).toEqual({ key: "ci/a", buildsPerDaemon: 2 });
});

test.each<[string, Record<string, string>, string]>([
	["pool", {}, "pool is missing"],
	["pool", { pool: "" }, 'pool is "": must be a DNS label'],
	["pool", { pool: "A_b" }, "pool is"],
	["pool", { pool: "a.b" }, "pool is"],
	["pool", { pool: "a", poolFromEnv: "b" }, "given twice"],
	["buildsPerDaemon", { pool: "a", buildsPerDaemon: "0" }, "must be a whole number from 1 to 10000"],
	["buildsPerDaemon", { pool: "a", buildsPerDaemon: "-1" }, "must be"],
	["buildsPerDaemon", { pool: "a", buildsPerDaemon: "1.5" }, "must be"],
	["buildsPerDaemon", { pool: "a", buildsPerDaemon: "1e3" }, "must be"],
	["buildsPerDaemon", { pool: "a", buildsPerDaemon: "" }, "must be"],
	["buildsPerDaemon", { pool: "a", buildsPerDaemon: "10001" }, "must be"],
	["cooldownPeriod", { pool: "a", cooldownPeriod: "5m" }, "must be a whole number from 0 to 10000000"],
	["scaleUpTolerance", { pool: "a", scaleUpTolerance: "1.1" }, "must be a number from 0 to 1"],
	["scaleUpTolerance", { pool: "a", scaleUpTolerance: "10%" }, "must be"],
	["scaleUpTolerance", { pool: "a", scaleUpTolerance: "" }, "must be"],
])("%s is named when it is wrong: %j", (key, metadata, message) => {
	const error = thrownBy(() => parseScaledObjectRef(ref(metadata)));
	expect(error).toMatchObject({ code: "METADATA_INVALID" });
	expect(String(error)).toContain(key);
	expect(String(error)).toContain(message);
});

test.each<[string, Record<string, string>]>([
	["pool", { pool: "other/a" }],
	["pool", { pool: "/a" }],
	["pool", { pool: "Other/a" }],
	["namespace", { pool: "a", namespace: "other" }],
	["namespace", { pool: "a", namespaceFromEnv: "other" }],
	["namespace", { pool: "ci/a", namespace: "other" }],
])("%s may not name another namespace: %j", (key, metadata) => {
	const error = thrownBy(() => parseScaledObjectRef(ref(metadata)));
	expect(error).toMatchObject({ code: "NAMESPACE_FORBIDDEN" });
	expect(String(error)).toContain(`${key} names namespace`);
});

test("the own namespace may be named", () => {
	expect(parseScaledObjectRef(ref({ pool: "ci/a", namespace: "ci" })).key).toBe("ci/a");
	expect(String(thrownBy(() => parseScaledObjectRef(ref({ pool: "ci/a/b" }))))).toContain('pool is "a/b"');
});

test("the namespace and the whole reference are checked too", () => {
	expect(String(thrownBy(() => parseScaledObjectRef(ref({ pool: "a" }, ""))))).toContain("namespace is");
	expect(String(thrownBy(() => parseScaledObjectRef(null)))).toContain("scaledObjectRef is missing");
});

test("anything else ends in METADATA_INVALID with a short message", () => {
	const text = fc.string({ maxLength: 300, unit: anyUnit });
	const anyRef = fc.record({ name: text, namespace: text, scalerMetadata: fc.dictionary(text, text) });
	fc.assert(
		fc.property(anyRef, text, text, (scaled, pool, buildsPerDaemon) => {
			const error = thrownBy(() =>
				parseScaledObjectRef({
					...scaled,
					scalerMetadata: { ...scaled.scalerMetadata, pool, buildsPerDaemon: `x${buildsPerDaemon}` },
				}),
			);
			expect(error).toBeInstanceOf(ScalerError);
			expect(String(error).length).toBeLessThan(1_000);
			expect(String(error).isWellFormed()).toBe(true);
		}),
	);
});

function thrownBy(run: () => unknown): unknown {
	try {
		return run();
	} catch (error) {
		return error;
	}
}
