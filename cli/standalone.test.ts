import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { envName, flagName, loadConfig } from "./load-config.ts";
import { warningsFor } from "./standalone.ts";
import { autoscalerOptions, standaloneOptions } from "./standalone-options.ts";

/** README of buildkitd-autoscaler, "Configuration": flag, variable, default. */
const table = [
	["--listen-addr", "PROXY_LISTEN_ADDR", ":8080"],
	["--sts-name", "BUILDKITD_STATEFULSET_NAME", "buildkitd"],
	["--sts-namespace", "BUILDKITD_STATEFULSET_NAMESPACE", "default"],
	["--headless-service-name", "BUILDKITD_HEADLESS_SERVICE_NAME", "buildkitd-headless"],
	["--target-port", "BUILDKITD_TARGET_PORT", "8372"],
	["--idle-timeout", "SCALE_DOWN_IDLE_TIMEOUT", "2m0s"],
	["--kubeconfig", "KUBECONFIG_PATH", undefined],
	["--ready-wait-timeout", "READY_WAIT_TIMEOUT", "5m0s"],
] as const;

const load = (argv: readonly string[], env: Record<string, string> = {}) =>
	loadConfig(standaloneOptions, { argv, env });

test("flags, variables and defaults are those of buildkitd-autoscaler, and docs/standalone.md has them", () => {
	const ours = Object.entries(autoscalerOptions).map(([key, option]) => [
		flagName(key),
		option.envFirst,
		"defaultText" in option ? option.defaultText : undefined,
	]);
	expect(ours).toEqual(table);
	const documentation = readFileSync(new URL("../docs/standalone.md", import.meta.url), "utf8");
	const rows = documentation.split("\n").filter((line) => line.startsWith("| `--"));
	const cells = rows.map((row) => row.split("|").map((cell) => cell.trim().replaceAll("`", "")));
	expect(cells.map(([, flag, variable, standard]) => [flag, variable, standard])).toEqual(
		table.map(([flag, variable, standard]) => [flag, variable, standard ?? "none"]),
	);
});

test("without anything given, everything is as there", () => {
	expect(load([])).toMatchObject({
		listenAddr: { port: 8080 },
		stsName: "buildkitd",
		stsNamespace: "default",
		headlessServiceName: "buildkitd-headless",
		targetPort: 8372,
		idleTimeout: 120_000,
		readyWaitTimeout: 300_000,
		kind: "StatefulSet",
		maxReplicas: 1,
	});
	expect(load([]).kubeconfig).toBeUndefined();
});

const flags = {
	"listen-addr": "127.0.0.1:9090",
	"sts-name": "my-buildkitd",
	"sts-namespace": "test-ns",
	"headless-service-name": "my-headless",
	"target-port": "1235",
	"idle-timeout": "5m",
	kubeconfig: "/tmp/test-kubeconfig",
	"ready-wait-timeout": "1m30s",
} as const;
const asGiven = {
	listenAddr: { host: "127.0.0.1", port: 9090 },
	stsName: "my-buildkitd",
	stsNamespace: "test-ns",
	headlessServiceName: "my-headless",
	targetPort: 1235,
	idleTimeout: 300_000,
	kubeconfig: "/tmp/test-kubeconfig",
	readyWaitTimeout: 90_000,
};

describe("what is given is taken", () => {
	test.each([
		["--name=value", Object.entries(flags).map(([name, value]) => `--${name}=${value}`)],
		["--name value", Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])],
		["-name=value, as Go's flags may be", Object.entries(flags).map(([name, value]) => `-${name}=${value}`)],
		["-name value", Object.entries(flags).flatMap(([name, value]) => [`-${name}`, value])],
	])("%s", (_, argv) => {
		expect(load(argv)).toMatchObject(asGiven);
	});

	test("from its variables", () => {
		const env = Object.fromEntries(
			table.map(([flag, variable]) => [variable, new Map(Object.entries(flags)).get(flag.slice(2)) ?? ""]),
		);
		expect(load([], env)).toMatchObject(asGiven);
	});

	test("its variables before its flags, those before ours; an empty one is none", () => {
		const env = { BUILDKITD_STATEFULSET_NAME: "from-env", [envName("stsName")]: "ours" };
		expect(load(["--sts-name", "from-flag"], env).stsName).toBe("from-env");
		const empty = { ...env, BUILDKITD_STATEFULSET_NAME: "" };
		expect(load(["--sts-name", "from-flag"], empty).stsName).toBe("from-flag");
		expect(load([], empty).stsName).toBe("ours");
	});
});

test("what is wrong is named where it was written; our own options have two dashes", () => {
	const wrong = (argv: string[], env = {}) => expect(() => load(argv, env));
	wrong(["-idle-timeout=invalid"]).toThrow("-idle-timeout: must be a duration");
	wrong([], { SCALE_DOWN_IDLE_TIMEOUT: "soon" }).toThrow(
		"SCALE_DOWN_IDLE_TIMEOUT: must be a duration such as",
	);
	wrong(["-max-replicas=2"]).toThrow("-max-replicas is not an option");
	wrong(["-sts-name=a", "--sts-name=b"]).toThrow("--sts-name is given twice");
});

test("who has it configured as buildkitd-autoscaler is told what differs, and which flag counts for nothing", () => {
	expect(warningsFor({ argv: ["--max-replicas", "2"], env: {} })).toEqual([]);
	expect(warningsFor({ argv: ["--max-replicas=2", "--sts-name=a"], env: {} })).toEqual([]);
	const told = warningsFor({ argv: [], env: { BUILDKITD_TARGET_PORT: "1" } });
	expect(told.length).toBeGreaterThan(2);
	for (const line of told) expect(line).toMatch(/^unlike buildkitd-autoscaler: .* \(docs\/standalone.md\)$/);
	const argv = ["-sts-name=a", "--target-port", "1"];
	const [twice, ...rest] = warningsFor({ argv, env: { BUILDKITD_STATEFULSET_NAME: "b" } });
	expect(twice).toContain("BUILDKITD_STATEFULSET_NAME is set, so --sts-name counts for nothing");
	expect(rest).toEqual(told);
});
