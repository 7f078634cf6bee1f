// The released versions that `npm run compat` tries, beside the ones in go-modules.ts.
import type { GoModule } from "./go-modules.ts";

/** Hashes as in go.sum. */
const buildkitSums = {
	"v0.12.5": "h1:RNHH1l3HDhYyZafr5EgstEu8aGNCwyfvMtrQDtjH9T0=",
	"v0.14.1": "h1:2epLCZTkn4CikdImtsLtIa++7DzCimrrZCT1sway+oI=",
	"v0.17.3": "h1:XN8ddC5gO1kGJJfi86kzvDlPOyLyPk66hTvswqhj6NQ=",
	"v0.20.2": "h1:qIeR47eQ1tzI1rwz0on3Xx2enRw/1CKjFhoONVcTlMA=",
	"v0.24.0": "h1:qYfTl7W1SIJzWDIDCcPT8FboHIZCYfi++wvySi3eyFE=",
	"v0.29.0": "h1:wxLEFbCOJntEDjSNNN2YWd8zxltZxT5muDQ0LzpbtpU=",
};

/** Those whose remote driver behaves differently (connections, retries, ALPN), and a current one. */
const buildxSums = {
	"v0.10.5": "h1:0GRS8TugOQUU3ja17VgMGgkEVR+qbWt8HhpTupCRu74=",
	"v0.13.1": "h1:uZjBcb477zh02tnHk0rqNV/DZOxbf/OiHw6Mc8OhDYU=",
	"v0.19.3": "h1:FL8ilSQi5HXzvEXHzLXW9oBuz8XzOsO/t2JVPTwo+Gs=",
	"v0.28.0": "h1:ZnrVsZ/qQwSOQ4Fx3IgXjiurAwvocaF1YUaPbIXD89E=",
	"v0.36.1": "h1:U7JTUSSeooFXbG+0HcI+CMjEIkvuZgJegXRZ1q7K63Q=",
};

export const buildkitReleases = Object.entries(buildkitSums).map(([version, sum]) =>
	release("github.com/moby/buildkit", version, sum, ["buildkitd", "buildctl"]),
);

export const buildxReleases = Object.entries(buildxSums).map(([version, sum]) =>
	release("github.com/docker/buildx", version, sum, ["buildx"]),
);

/** Each program is called NAME-VERSION, beside the others of its name. */
function release(path: string, version: string, sum: string, programs: readonly string[]): GoModule {
	const named = programs.map((program): [string, string] => [`${program}-${version}`, program]);
	return {
		source: { t: "release", path, sum, packages: programs.map((program) => `./cmd/${program}`) },
		title: path.replace("github.com/", ""),
		version,
		programs: named.map(([name]) => name),
		builtAs: Object.fromEntries(named),
		cgo: false,
		variables: { [`${path}/version.Version`]: version },
		usualTime: "one to two minutes the first time",
	};
}
