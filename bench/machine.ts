import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { projectRoot } from "../test/tools/paths.ts";
import { findProgram } from "../test/tools/programs.ts";
import { congestionControl } from "./network.ts";

/** Where the numbers come from: without it they mean nothing later. Two lines. */
export function describeMachine(): string {
	const model = cpus()[0]?.model.trim() ?? "unknown CPU";
	const memoryGib = Math.round(totalmem() / 2 ** 30);
	const load = loadavg()[0]?.toFixed(1) ?? "?";
	const machine = `${model}, ${cpus().length} cores, ${memoryGib} GiB, ${process.platform} ${release()}, ${congestionControl}, load ${load}`;
	const versions = [
		`buildkit-scaler ${commit()}`,
		`node ${process.version}`,
		version("buildkitd", "--version"),
		version("buildctl", "--version"),
		version("haproxy", "-v"),
		version("nats-server", "-v"),
	];
	return `machine   ${machine}\nversions  ${versions.join(", ")}\n`;
}

function commit(): string {
	return firstLine("git", ["-C", projectRoot, "describe", "--always", "--dirty"]) ?? "unknown commit";
}

function version(name: string, flag: string): string {
	const line = firstLine(findProgram(name), [flag]) ?? "";
	return `${name} ${/v?\d+\.\d+[^\s,]*/.exec(line)?.[0] ?? "of unknown version"}`;
}

function firstLine(program: string, args: readonly string[]): string | undefined {
	try {
		const output = execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
		return output.split("\n")[0]?.trim();
	} catch {
		return undefined;
	}
}
