import type { Program } from "./catalog.ts";
import { canInstallPackages, installPackages } from "./debian.ts";
import { find } from "./find.ts";
import { buildModule } from "./go.ts";
import { elapsed, say } from "./progress.ts";
import { ToolError } from "./tool-error.ts";

/** Gets every one of these programs that is missing: Debian's package first, then the Go module. */
export async function obtain(programs: readonly Program[]): Promise<void> {
	const start = performance.now();
	// Another run may have got them while this one waited for the lock.
	const wanted = programs.filter(isMissing);
	const packageError = canInstallPackages() ? await installPackages(wanted) : undefined;

	// First, as nobody wants to wait for a long build only to read that busybox is missing.
	const hopeless = wanted.filter((program) => program.goModule === undefined && isMissing(program));
	if (hopeless.length > 0) throw unobtainable(hopeless, packageError);

	if (packageError !== undefined) say(`${packageError.message}\n${packageError.details}`.trimEnd());

	for (const program of wanted) {
		if (program.goModule !== undefined && isMissing(program)) await buildModule(program.goModule);
		const found = find(program);
		if (found === undefined) throw new ToolError(`${program.name} was installed, but is not to be found`);
		say(`${program.name} is ready after ${elapsed(start)}: ${found.path} (${found.source})`);
	}
}

export function isMissing(program: Program): boolean {
	return find(program) === undefined;
}

function unobtainable(programs: readonly Program[], packageError: ToolError | undefined): ToolError {
	const what = programs
		.map(({ name, mustBeStatic, debianPackage }) => {
			const kind = mustBeStatic ? `a statically linked ${name}` : name;
			return `${kind} (Debian package ${debianPackage})`;
		})
		.join(" and ");
	const why =
		packageError?.message ??
		"apt-get cannot be used here (it takes Debian or Ubuntu, root, and no BUILDKIT_SCALER_TOOLS_NO_APT=1)";
	return new ToolError(`missing on PATH: ${what}; install it yourself: ${why}`, packageError?.details ?? "");
}
