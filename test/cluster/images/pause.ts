import { busyboxFiles } from "./busybox.ts";
import type { ImageSpec } from "./image-spec.ts";

export const pauseImage = "local.test/pause:1";

/** Every pod's sandbox runs it; as it has a shell and httpd, it also serves as a test's own pod. */
export function pause(): ImageSpec {
	return {
		name: pauseImage,
		dockerfile: `FROM scratch\nCOPY . /\nENV PATH=/bin\nENTRYPOINT ["/bin/sleep", "infinity"]\n`,
		files: [...busyboxFiles(), { path: "tmp", folderMode: 0o1777 }],
	};
}
