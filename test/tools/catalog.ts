// Every program the tests, the demo and `npm start` run, and where each may come from.
import * as modules from "./go-modules.ts";
import { buildkitReleases, buildxReleases } from "./go-releases.ts";

/** Programs asked for together. A run without names gets "default"; the others' are large and many. */
export type ToolSet = "default" | "cluster" | "compat";
export const toolSets: readonly ToolSet[] = ["default", "cluster", "compat"];

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

const everywhere: readonly ToolSet[] = ["default", "cluster", "compat"];
const cluster: readonly ToolSet[] = ["cluster"];
const compat: readonly ToolSet[] = ["compat"];

export const catalog: readonly Program[] = [
	{ name: "nats-server", sets: ["default"], debianPackage: "nats-server", goModule: modules.natsServer },
	{ name: "buildkitd", sets: everywhere, goModule: modules.buildkit },
	{ name: "buildctl", sets: everywhere, goModule: modules.buildkit },
	{ name: "buildx", sets: ["default", "compat"], aliases: ["docker-buildx"], goModule: modules.buildx },
	{ name: "runc", sets: everywhere, debianPackage: "runc", goModule: modules.runc },
	{ name: "busybox", sets: everywhere, mustBeStatic: true, debianPackage: "busybox-static" },
	{ name: "keda-client", sets: ["default"], goModule: modules.kedaClient, onlyBuilt: true },
	{ name: "haproxy", sets: [], debianPackage: "haproxy" },
	...modules.bench.programs.map((name) => ({ name, sets: [], goModule: modules.bench, onlyBuilt: true })),

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
	{ name: "ip", sets: everywhere, debianPackage: "iproute2" },
	{ name: "openssl", sets: cluster, debianPackage: "openssl" },
	{ name: "setcap", sets: cluster, debianPackage: "libcap2-bin" },
	...["newuidmap", "newgidmap"].map((name) => ({ name, sets: cluster, debianPackage: "uidmap" })),
	...built(cluster, modules.kubernetes, modules.keda, modules.helm, modules.coredns, modules.rootlesskit),
	...built(compat, ...buildkitReleases, ...buildxReleases),
];

function built(sets: readonly ToolSet[], ...of: readonly modules.GoModule[]): Program[] {
	return of.flatMap((goModule) =>
		goModule.programs.map((name) => ({ name, sets, goModule, onlyBuilt: true })),
	);
}
