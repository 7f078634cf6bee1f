// The wrapper Go modules in go/<dir>. A version stands here and in go/<dir>/go.mod: change both together
// (a changed version here rebuilds).

/** A wrapper Go module in go/<dir>: upstreams with replace lines refuse `go install pkg@version`. */
export interface GoModule {
	readonly dir: string;
	readonly title: string;
	readonly version: string;
	/** All programs the module builds; building it once gives all of them. */
	readonly programs: readonly string[];
	/** What `go install` calls a program (its folder) where that differs from our name for it. */
	readonly builtAs?: Readonly<Record<string, string>>;
	readonly cgo: boolean;
	readonly tags?: string;
	/** Go variables that hold the version: without them a program calls itself v0.0.0 or (devel). */
	readonly variables?: Readonly<Record<string, string>>;
	/** Said on screen so that nobody takes the first run for a hang. */
	readonly usualTime: string;
	/** What the machine needs besides Go. */
	readonly needs?: string;
}

// Static (no cgo), so that the same files run inside a FROM scratch image.
export const buildkit: GoModule = {
	dir: "buildkit",
	title: "moby/buildkit",
	version: "v0.33.1",
	programs: ["buildkitd", "buildctl"],
	cgo: false,
	variables: { "github.com/moby/buildkit/version.Version": "v0.33.1" },
	usualTime: "one to two minutes the first time",
};

export const buildx: GoModule = {
	dir: "buildx",
	title: "docker/buildx",
	version: "v0.30.1",
	programs: ["buildx"],
	cgo: false,
	variables: { "github.com/docker/buildx/version.Version": "v0.30.1" },
	usualTime: "one to two minutes the first time",
};

export const natsServer: GoModule = {
	dir: "nats-server",
	title: "nats-io/nats-server",
	version: "v2.15.2",
	programs: ["nats-server"],
	cgo: false,
	usualTime: "about half a minute the first time",
};

// Without seccomp every RUN step fails: "seccomp: config provided but seccomp not supported".
export const runc: GoModule = {
	dir: "runc",
	title: "opencontainers/runc",
	version: "v1.3.3",
	programs: ["runc"],
	cgo: true,
	tags: "seccomp",
	usualTime: "about half a minute the first time",
	needs: "a C compiler, pkg-config and libseccomp's headers (libseccomp-dev or libseccomp-devel)",
};

export const kubernetes: GoModule = {
	dir: "kubernetes",
	title: "kubernetes/kubernetes",
	version: "v1.35.4",
	programs: [
		"kube-apiserver",
		"kube-controller-manager",
		"kube-scheduler",
		"kubelet",
		"kube-proxy",
		"kubectl",
	],
	cgo: false,
	// Clients parse major and minor too (helm's Capabilities, KEDA's start).
	variables: {
		"k8s.io/component-base/version.gitVersion": "v1.35.4",
		"k8s.io/component-base/version.gitMajor": "1",
		"k8s.io/component-base/version.gitMinor": "35",
	},
	usualTime: "four to eight minutes the first time",
};

export const keda: GoModule = {
	dir: "keda",
	title: "kedacore/keda",
	version: "v2.20.2",
	programs: ["keda-operator", "keda-adapter"],
	builtAs: { "keda-operator": "operator", "keda-adapter": "adapter" },
	cgo: false,
	variables: { "github.com/kedacore/keda/v2/version.Version": "2.20.2" },
	usualTime: "four to eight minutes the first time",
};

export const helm: GoModule = {
	dir: "helm",
	title: "helm/helm",
	version: "v3.22.0",
	programs: ["helm"],
	cgo: false,
	variables: { "helm.sh/helm/v3/internal/version.version": "v3.22.0" },
	usualTime: "one to two minutes the first time",
};

export const coredns: GoModule = {
	dir: "coredns",
	title: "coredns/coredns",
	version: "v1.13.1",
	programs: ["coredns"],
	cgo: false,
	usualTime: "one to two minutes the first time",
};
