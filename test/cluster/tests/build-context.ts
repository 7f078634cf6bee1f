import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../tools/programs.ts";

/** A context whose build takes no network and has a RUN step. */
export async function withBuildContext<T>(work: (folder: string) => Promise<T>): Promise<T> {
	const folder = mkdtempSync(join(tmpdir(), "bks-context-"));
	try {
		copyFileSync(findProgram("busybox"), join(folder, "busybox"));
		const lines = ["FROM scratch", "COPY busybox /bin/sh", "RUN echo built > /built"];
		writeFileSync(join(folder, "Dockerfile"), lines.join("\n"));
		return await work(folder);
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
