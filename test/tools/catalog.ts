// Every program the tests, the demo and `npm start` run, and where each may come from.
import * as modules from "./go-modules.ts";

/** Programs asked for together. A run without names gets "default"; the cluster's are large and many. */
export type ToolSet = "default" | "cluster";
export const toolSets: readonly ToolSet[] = ["default", "cluster"];

export interface Program {
	readonly name: string;
	/** Those it belongs to; with none it comes only when named. */
	readonly sets: readonly ToolSet[];
	/** Other file names it goes by on PATH. */
	readonly aliases?: readonly string[];
	/** Searched in place of PATH. */
	readonly dirs?: readonly string[];
	/** Copied into FROM scratch images, so a dynamically linked one is of no use. */
	readonly mustBeStatic?: boolean;
	/** Copied into images or stamped with a version tests rely on: a program on PATH does not do. */
	readonly onlyBuilt?: boolean;
	readonly debianPackage?: string;
	readonly goModule?: modules.GoModule;
}

const everywhere: readonly ToolSet[] = ["default", "cluster"];
const cluster: readonly ToolSet[] = ["cluster"];

export const catalog: readonly Program[] = [
	{ name: "nats-server", sets: ["default"], debianPackage: "nats-server", goModule: modules.natsServer },
	{ name: "buildkitd", sets: everywhere, goModule: modules.buildkit },
	{ name: "buildctl", sets: everywhere, goModule: modules.buildkit },
	{ name: "buildx", sets: ["default"], aliases: ["docker-buildx"], goModule: modules.buildx },
	{ name: "runc", sets: everywhere, debianPackage: "runc", goModule: modules.runc },
	{ name: "busybox", sets: everywhere, mustBeStatic: true, debianPackage: "busybox-static" },
	{ name: "haproxy", sets: [], debianPackage: "haproxy" },

	{ name: "etcd", sets: cluster, debianPackage: "etcd-server" },
	{ name: "containerd", sets: cluster, debianPackage: "containerd" },
	{ name: "ctr", sets: cluster, debianPackage: "containerd" },
	// Stands for all of the CNI plugins: one package, one folder. (Their `bridge` is not iproute2's.)
	{
		name: "host-local",
		sets: cluster,
		dirs: ["/usr/lib/cni", "/opt/cni/bin"],
		debianPackage: "containernetworking-plugins",
	},
	{ name: "nft", sets: cluster, debianPackage: "nftables" },
	{ name: "ip", sets: cluster, debianPackage: "iproute2" },
	{ name: "openssl", sets: cluster, debianPackage: "openssl" },
	...built(modules.kubernetes),
	...built(modules.keda),
	...built(modules.helm),
	...built(modules.coredns),
];

function built(module: modules.GoModule): Program[] {
	return module.programs.map((name) => ({ name, sets: cluster, goModule: module, onlyBuilt: true }));
}
