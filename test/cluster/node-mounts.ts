// The node's own mount namespace: containerd, kubelet and the pods mount and write there, so the machine sees
// none of it, and all of it is gone with the last of their processes, even after a kill -9.
import { existsSync, mkdirSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ComponentSpec } from "./component-spec.ts";
import { dirs, files } from "./layout.ts";

/** Fixed in these programs, and replaced in the namespace by folders of ours: what, and who writes there. */
const replaced: readonly string[] = [
	"/run/containerd", // containerd-shim's sockets, runc's state
	"/run/netns", // the pods' network namespaces
	"/var/lib/cni", // host-local's leases
	"/var/lib/kubelet", // its device plugins' socket, whatever --root-dir says
	"/var/log/pods", // containers' output
	"/var/log/containers", // links to it
	"/tmp/hostpath_pv", // kube-controller-manager's volumes
];

const readyFile = join(dirs.mounts, "ready");

/** Makes the mount points; gives those folders the machine did not have, for removal later. */
export function missingFolders(): string[] {
	return replaced.flatMap(withMissingParents);
}

function withMissingParents(folder: string): string[] {
	return existsSync(folder) ? [] : [folder, ...withMissingParents(dirname(folder))];
}

/** Only empty ones: someone else may use such a folder by now. */
export function removeFolders(folders: readonly string[]): void {
	for (const folder of folders) {
		try {
			rmdirSync(folder);
		} catch {
			// Gone, or not empty and thus not only ours.
		}
	}
}

/** Holds the namespace open while containerd and kubelet come and go. */
export function nodeMounts(): ComponentSpec {
	rmSync(readyFile, { force: true });
	const pairs = replaced.flatMap((folder) => {
		const source = join(dirs.mounts, folder.slice(1).replaceAll("/", "-"));
		mkdirSync(source, { recursive: true });
		mkdirSync(folder, { recursive: true });
		return [source, folder];
	});
	// Shared within the namespace, so that pods may ask for mount propagation.
	const script = `set -e
		while [ $# -gt 0 ]; do mount --bind "$1" "$2"; shift 2; done
		mount --make-rshared /
		touch "$0"
		exec sleep infinity`;
	return {
		name: "node-mounts",
		command: ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, readyFile, ...pairs],
		isReady: async () => existsSync(readyFile),
	};
}

/** Runs a program with cluster DNS: KEDA resolves scalers' Service names, and the machine's file stays as it is. */
export function withClusterDns(command: readonly string[]): string[] {
	const script = `mount --bind "$0" /etc/resolv.conf && exec "$@"`;
	const privately = ["unshare", "--mount", "--propagation", "private"];
	return [...privately, "sh", "-c", script, files.clusterResolvConf, ...command];
}
