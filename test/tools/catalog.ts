// Every program the tests, the demo and `npm start` run, and where each may come from.
// Versions are pinned here and in go/<dir>/go.mod (changed together; a changed version here rebuilds).

/** A wrapper Go module in go/<dir>: upstreams with replace lines refuse `go install pkg@version`. */
export interface GoModule {
	readonly dir: string;
	readonly title: string;
	readonly version: string;
	/** All programs the module builds; building it once gives all of them. */
	readonly programs: readonly string[];
	readonly cgo: boolean;
	readonly tags?: string;
	/** A Go variable that holds the version: without it the program calls itself v0.0.0+unknown. */
	readonly versionVariable?: string;
	/** Said on screen so that nobody takes the first run for a hang. */
	readonly usualTime: string;
	/** What the machine needs besides Go. */
	readonly needs?: string;
}

export interface Program {
	readonly name: string;
	/** Other file names it goes by on PATH. */
	readonly aliases?: readonly string[];
	/** Copied into FROM scratch images, so a dynamically linked one is of no use. */
	readonly mustBeStatic?: boolean;
	readonly debianPackage?: string;
	readonly goModule?: GoModule;
	/** Not part of a run without names. */
	readonly onlyWhenNamed?: boolean;
}

// Static (no cgo), so that the same files run inside a FROM scratch image.
const buildkit: GoModule = {
	dir: "buildkit",
	title: "moby/buildkit",
	version: "v0.33.1",
	programs: ["buildkitd", "buildctl"],
	cgo: false,
	versionVariable: "github.com/moby/buildkit/version.Version",
	usualTime: "one to two minutes the first time",
};

const buildx: GoModule = {
	dir: "buildx",
	title: "docker/buildx",
	version: "v0.30.1",
	programs: ["buildx"],
	cgo: false,
	versionVariable: "github.com/docker/buildx/version.Version",
	usualTime: "one to two minutes the first time",
};

const natsServer: GoModule = {
	dir: "nats-server",
	title: "nats-io/nats-server",
	version: "v2.15.2",
	programs: ["nats-server"],
	cgo: false,
	usualTime: "about half a minute the first time",
};

// Without seccomp every RUN step fails: "seccomp: config provided but seccomp not supported".
const runc: GoModule = {
	dir: "runc",
	title: "opencontainers/runc",
	version: "v1.3.3",
	programs: ["runc"],
	cgo: true,
	tags: "seccomp",
	usualTime: "about half a minute the first time",
	needs: "a C compiler, pkg-config and libseccomp's headers (libseccomp-dev or libseccomp-devel)",
};

export const catalog: readonly Program[] = [
	{ name: "nats-server", debianPackage: "nats-server", goModule: natsServer },
	{ name: "buildkitd", goModule: buildkit },
	{ name: "buildctl", goModule: buildkit },
	{ name: "buildx", aliases: ["docker-buildx"], goModule: buildx },
	{ name: "runc", debianPackage: "runc", goModule: runc },
	{ name: "busybox", mustBeStatic: true, debianPackage: "busybox-static" },
	{ name: "haproxy", debianPackage: "haproxy", onlyWhenNamed: true },
];
