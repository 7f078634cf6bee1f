import { existsSync, readFileSync } from "node:fs";
import { cgroupFolders, memberPids } from "./cgroups.ts";
import { dirs } from "./layout.ts";
import { hasNodeAddress, ownTables, podInterfaces } from "./network.ts";

/** Everything on this machine that is a cluster's; nothing after `down`. */
export async function leftOvers(): Promise<string[]> {
	const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
	const found = [
		...memberPids().map((pid) => `process ${pid} (${commandOf(pid)})`),
		...cgroupFolders().map((folder) => `cgroup ${folder}`),
		...mounts.filter((line) => line.includes(dirs.root)).map((line) => `mount ${line}`),
		...(await ownTables()).map(([family, name]) => `nft table ${family} ${name}`),
		...(await podInterfaces()).map((name) => `interface ${name}`),
	];
	if (await hasNodeAddress()) found.push("the node's address on lo");
	if (existsSync(dirs.root)) found.push(`folder ${dirs.root}`);
	return found;
}

function commandOf(pid: number): string {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim().slice(0, 80);
	} catch {
		return "gone";
	}
}
