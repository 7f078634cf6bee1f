import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { findProgram } from "../../tools/programs.ts";
import { runCommand } from "../../tools/run-command.ts";
import { readSysctls } from "../network.ts";

/** What a cluster could leave behind on the machine, seen without the kit's own idea of it. */
export async function machine(): Promise<object> {
	const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
	// Builds that others run on this machine come and go, with mounts and interfaces of their own.
	const links = (await runCommand(findProgram("ip"), ["-brief", "addr"])).split("\n");
	const folders = ["/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods"];
	return {
		mounts: mounts.filter((line) => /kube|containerd|cni|netns|buildkit-scaler/.test(line)),
		links: links.map((line) => line.trim()).filter((line) => !line.startsWith("buildkit")),
		tables: await runCommand(findProgram("nft"), ["list", "tables"]),
		programs: runningPrograms().filter((name) => /^(kube|etcd|containerd|coredns|keda)/.test(name)),
		folders: folders.filter((folder) => existsSync(folder)),
		sysctls: readSysctls(),
	};
}

/** Names of all programs; a zombie has no command line any more, and only waits for its parent. */
function runningPrograms(): string[] {
	return readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name))
		.flatMap((pid) => {
			try {
				const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
				return basename(program);
			} catch {
				return [];
			}
		});
}
