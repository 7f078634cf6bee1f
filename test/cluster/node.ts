import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findProgram } from "../tools/programs.ts";
import { runCommand } from "../tools/run-command.ts";
import { cgroupRoot } from "./cgroups.ts";
import type { ComponentSpec } from "./component-spec.ts";
import { answers } from "./http.ts";
import { pauseImage } from "./images/pause.ts";
import { addresses, dirs, files, nodeName, ports } from "./layout.ts";
import { pki } from "./pki.ts";

export function containerd(): ComponentSpec {
	const cniDir = join(dirs.config, "cni");
	const config = join(dirs.config, "containerd.toml");
	mkdirSync(cniDir, { recursive: true });
	writeFileSync(config, containerdConfig(cniDir));
	writeFileSync(join(cniDir, "10-pods.conflist"), JSON.stringify(podNetwork));
	return {
		name: "containerd",
		command: [findProgram("containerd"), `--config=${config}`],
		onNode: true,
		isReady: async () => {
			if (!existsSync(files.containerdSocket)) return false;
			// Its own deadline, as a containerd that hangs still accepts connections.
			await ctr(["--timeout=2s", "version"]);
			return true;
		},
	};
}

/** Containerd's own client, in the namespace that kubelet uses. */
export function ctr(args: readonly string[]): Promise<string> {
	const common = [`--address=${files.containerdSocket}`, "--namespace=k8s.io"];
	return runCommand(findProgram("ctr"), [...common, ...args]);
}

function containerdConfig(cniDir: string): string {
	// restrict_oom_score_adj: without CAP_SYS_RESOURCE (containers, some virtual machines) every sandbox would
	// fail with "can't get final child's PID from pipe".
	return `version = 2
root = "${join(dirs.containerd, "root")}"
state = "${join(dirs.containerd, "state")}"
[grpc]
  address = "${files.containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${dirname(findProgram("host-local"))}"
    conf_dir = "${cniDir}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "${findProgram("runc")}"
`;
}

// Not the usual bridge: with ptp every packet between pods passes the machine's IP stack, so replies of a
// Service's pod find their way back through kube-proxy's translation without the br_netfilter module, and no
// bridge has to be cleaned up.
const podNetwork = {
	cniVersion: "1.0.0",
	name: "pods",
	plugins: [
		{
			type: "ptp",
			ipMasq: false,
			ipam: { type: "host-local", ranges: [[{ subnet: addresses.pods }]], routes: [{ dst: "0.0.0.0/0" }] },
		},
	],
};

export function kubelet(): ComponentSpec {
	const config = join(dirs.config, "kubelet.json");
	writeFileSync(config, JSON.stringify(kubeletConfig));
	return {
		name: "kubelet",
		command: [
			findProgram("kubelet"),
			`--config=${config}`,
			`--kubeconfig=${files.kubeconfig}`,
			`--root-dir=${dirs.kubelet}`,
			`--hostname-override=${nodeName}`,
			`--node-ip=${addresses.node}`,
		],
		onNode: true,
		isReady: () => answers(ports.kubeletHealth, "/healthz"),
	};
}

const kubeletConfig = {
	apiVersion: "kubelet.config.k8s.io/v1beta1",
	kind: "KubeletConfiguration",
	address: addresses.node,
	port: ports.kubelet,
	healthzBindAddress: addresses.node,
	healthzPort: ports.kubeletHealth,
	tlsCertFile: pki.serverCert,
	tlsPrivateKeyFile: pki.serverKey,
	authentication: {
		anonymous: { enabled: true },
		webhook: { enabled: false },
		x509: { clientCAFile: pki.ca },
	},
	authorization: { mode: "AlwaysAllow" },
	containerRuntimeEndpoint: `unix://${files.containerdSocket}`,
	failCgroupV1: false,
	cgroupDriver: "cgroupfs",
	cgroupRoot,
	enforceNodeAllocatable: [],
	failSwapOn: false,
	// Its canary chains would be left over in the machine's iptables; kube-proxy here uses nftables.
	makeIPTablesUtilChains: false,
	clusterDNS: [addresses.node],
	clusterDomain: addresses.domain,
	resolvConf: files.nodeResolvConf,
	volumePluginDir: dirs.flexVolumes,
	// Images come from files: one that is collected as garbage on a full disk would never come back.
	imageGCHighThresholdPercent: 100,
	evictionHard: { "memory.available": "50Mi" },
};

export function kubeProxy(): ComponentSpec {
	return {
		name: "kube-proxy",
		command: [
			findProgram("kube-proxy"),
			`--kubeconfig=${files.kubeconfig}`,
			`--hostname-override=${nodeName}`,
			`--bind-address=${addresses.node}`,
			"--proxy-mode=nftables",
			`--cluster-cidr=${addresses.pods}`,
			// Leaves the machine's connection tracking limits alone.
			"--conntrack-max-per-core=0",
			`--healthz-bind-address=${addresses.node}:${ports.kubeProxyHealth}`,
			`--metrics-bind-address=${addresses.node}:${ports.kubeProxyMetrics}`,
		],
		isReady: () => answers(ports.kubeProxyHealth, "/healthz"),
	};
}
