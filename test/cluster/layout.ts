// Where everything of the cluster lives. One cluster at a time fits on a machine, hence constants.
import { join } from "node:path";
import { toolsDir } from "../tools/paths.ts";

/** All of it in 10.250.0.0/16: 10.0.0.0/24, the usual choice for Services, is many clouds' machine network. */
export const addresses = {
	/** On lo: kubelet refuses a loopback-range address, and every server of ours listens on this one only. */
	node: "10.250.0.1",
	services: "10.250.1.0/24",
	kubernetesService: "10.250.1.1",
	pods: "10.250.2.0/24",
	domain: "cluster.local",
} as const;

export const nodeName = "node1";

/** On the node address, so another program is in the way only if it listens on 0.0.0.0 with the same port. */
export const ports = {
	etcd: 12379,
	etcdPeer: 12380,
	apiserver: 16443,
	kubelet: 10250,
	kubeletHealth: 10248,
	kubeProxyHealth: 10256,
	kubeProxyMetrics: 10249,
	controllerManager: 10257,
	scheduler: 10259,
	dns: 53,
	dnsReady: 18181,
	kedaOperatorMetrics: 18080,
	kedaOperatorHealth: 18081,
	kedaAdapterMetrics: 18082,
	kedaMetricsService: 19666,
	kedaAdapter: 16444,
} as const;

/** Short, as the path of a unix socket has 107 bytes; root's own, as a name in /tmp would be anyone's. */
const root = "/var/lib/buildkit-scaler-cluster";

export const dirs = {
	root,
	pki: join(root, "pki"),
	/** KEDA wants ca.crt, tls.crt and tls.key in one folder. */
	kedaCerts: join(root, "pki", "keda"),
	config: join(root, "config"),
	etcd: join(root, "etcd"),
	containerd: join(root, "containerd"),
	kubelet: join(root, "kubelet"),
	flexVolumes: join(root, "flex-volumes"),
	helm: join(root, "helm"),
	/** What the node sees in place of the machine's folders, see node-mounts.ts. */
	mounts: join(root, "mounts"),
	/** Outside the root: logs outlive the cluster, for whoever asks why a test failed. */
	logs: join(toolsDir, "cluster", "logs"),
} as const;

export const files = {
	state: join(root, "state.json"),
	kubeconfig: join(root, "kubeconfig"),
	containerdSocket: join(root, "containerd.sock"),
	/** For pods with dnsPolicy Default. */
	nodeResolvConf: join(dirs.config, "node-resolv.conf"),
	/** For programs outside pods that look up Services. */
	clusterResolvConf: join(dirs.config, "resolv.conf"),
} as const;

export const apiserverUrl = `https://${addresses.node}:${ports.apiserver}`;
