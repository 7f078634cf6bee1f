/** The parts a test can stop, continue, kill and start. */
export type ComponentName =
	| "etcd"
	| "apiserver"
	| "kcm"
	| "scheduler"
	| "containerd"
	| "kubelet"
	| "kube-proxy"
	| "coredns"
	| "keda-operator"
	| "keda-adapter";

export interface ComponentSpec {
	/** "node-mounts" holds the node's mount namespace; no fault of a real cluster corresponds to its end. */
	readonly name: ComponentName | "node-mounts";
	readonly command: readonly string[];
	readonly env?: Readonly<Record<string, string>>;
	/** Runs in the node's mount namespace. */
	readonly onNode?: boolean;
	/** Asked again and again; to answer false or to throw means not yet. */
	readonly isReady: () => Promise<boolean>;
}
