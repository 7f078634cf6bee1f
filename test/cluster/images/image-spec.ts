import type { ContextFile } from "./context-file.ts";

export interface ImageSpec {
	/** With its tag, e.g. local.test/pause:1. No registry has it, so pods use imagePullPolicy IfNotPresent. */
	readonly name: string;
	readonly dockerfile: string;
	readonly files: readonly ContextFile[];
	/** Stand in for `FROM name` or `COPY --from=name`: that is how a base image is had without a registry. */
	readonly namedContexts?: Readonly<Record<string, readonly ContextFile[]>>;
	readonly buildArgs?: Readonly<Record<string, string>>;
	/** What a step may see that nothing of is to be in the image; by the id that a `--mount=type=secret` names. */
	readonly secrets?: Readonly<Record<string, string>>;
}
