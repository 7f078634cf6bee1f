// What is built from Go sources. A wrapper's version stands here and in go/<dir>/go.mod: change both together
// (a changed version here rebuilds).
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { modulesDir } from "./paths.ts";

/** Where a module's sources come from; either way every byte of them is pinned by a hash in this repository. */
export type GoSource =
	/** Our own module in go/<dir>: upstreams with replace lines refuse `go install pkg@version`. */
	| { readonly t: "wrapper"; readonly dir: string }
	/** A released module as it is, built in its own folder; `sum` covers its go.sum, and that covers all the rest. */
	| {
			readonly t: "release";
			readonly path: string;
			readonly sum: string;
			/** The folders of its programs. */
			readonly packages: readonly string[];
	  };

export interface GoModule {
	readonly source: GoSource;
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
	source: { t: "wrapper", dir: "buildkit" },
	title: "moby/buildkit",
	version: "v0.33.1",
	programs: ["buildkitd", "buildctl"],
	cgo: false,
	variables: { "github.com/moby/buildkit/version.Version": "v0.33.1" },
	usualTime: "one to two minutes the first time",
};

export const buildx: GoModule = {
	source: { t: "wrapper", dir: "buildx" },
	title: "docker/buildx",
	version: "v0.30.1",
	programs: ["buildx"],
	cgo: false,
	variables: { "github.com/docker/buildx/version.Version": "v0.30.1" },
	usualTime: "one to two minutes the first time",
};

export const natsServer: GoModule = {
	source: { t: "wrapper", dir: "nats-server" },
	title: "nats-io/nats-server",
	version: "v2.15.2",
	programs: ["nats-server"],
	cgo: false,
	usualTime: "about half a minute the first time",
};

// Without seccomp every RUN step fails: "seccomp: config provided but seccomp not supported".
export const runc: GoModule = {
	source: { t: "wrapper", dir: "runc" },
	title: "opencontainers/runc",
	version: "v1.3.3",
	programs: ["runc"],
	cgo: true,
	tags: "seccomp",
	usualTime: "about half a minute the first time",
	needs: "a C compiler, pkg-config and libseccomp's headers (libseccomp-dev or libseccomp-devel)",
};

/** What starts buildkitd as an ordinary user in upstream's -rootless images. */
export const rootlesskit: GoModule = {
	source: {
		t: "release",
		path: "github.com/rootless-containers/rootlesskit/v2",
		sum: "h1:m/26nAx0DbHZYaM46+uoQjfpu9G77QLzWj2jz25chO8=",
		packages: ["./cmd/rootlesskit"],
	},
	title: "rootless-containers/rootlesskit",
	version: "v2.3.6",
	programs: ["rootlesskit"],
	cgo: false,
	usualTime: "about half a minute the first time",
};

// Our own: a rival and the load generators that Node would be too slow for.
export const bench: GoModule = {
	source: { t: "wrapper", dir: "bench" },
	title: "test/tools/go/bench",
	version: contentHash("bench"),
	programs: ["copy-proxy", "echo-load", "relay-load"],
	cgo: false,
	usualTime: "",
};

export const kubernetes: GoModule = {
	source: { t: "wrapper", dir: "kubernetes" },
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
	source: { t: "wrapper", dir: "keda" },
	title: "kedacore/keda",
	version: "v2.20.2",
	programs: ["keda-operator", "keda-adapter"],
	builtAs: { "keda-operator": "operator", "keda-adapter": "adapter" },
	cgo: false,
	variables: { "github.com/kedacore/keda/v2/version.Version": "2.20.2" },
	usualTime: "four to eight minutes the first time",
};

export const helm: GoModule = {
	source: { t: "wrapper", dir: "helm" },
	title: "helm/helm",
	version: "v3.22.0",
	programs: ["helm"],
	cgo: false,
	variables: { "helm.sh/helm/v3/internal/version.version": "v3.22.0" },
	usualTime: "one to two minutes the first time",
};

export const coredns: GoModule = {
	source: { t: "wrapper", dir: "coredns" },
	title: "coredns/coredns",
	version: "v1.13.1",
	programs: ["coredns"],
	cgo: false,
	usualTime: "one to two minutes the first time",
};

// The one program of ours among them: a client of the scaler on KEDA's own gRPC implementation, for test/conformance.
export const kedaClient: GoModule = {
	source: { t: "wrapper", dir: "keda-client" },
	title: "test/tools/go/keda-client",
	version: contentHash("keda-client"),
	programs: ["keda-client"],
	cgo: false,
	usualTime: "about half a minute the first time",
};

/** Stands for the version of a module whose source is here: any change rebuilds. */
function contentHash(dir: string): string {
	const hash = createHash("sha256");
	const names = readdirSync(join(modulesDir, dir), { encoding: "utf8", recursive: true }).toSorted();
	for (const name of names) {
		const path = join(modulesDir, dir, name);
		if (statSync(path).isFile()) hash.update(name).update(readFileSync(path));
	}
	return hash.digest("hex").slice(0, 12);
}
