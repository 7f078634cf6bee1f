import { findProgram } from "../../tools/programs.ts";
import type { ContextFile } from "./context-file.ts";

/** Enough for RUN steps, probes and a look around with `kubectl exec`. */
const applets = [
	...["cat", "cp", "dd", "df", "echo", "env", "false", "find", "grep", "head", "httpd", "id", "kill", "ls"],
	...["mkdir", "mount", "mv", "nc", "nslookup", "ps", "rm", "sed", "sh", "sleep", "stat", "tail", "timeout"],
	...["touch", "true", "wc", "wget", "which"],
];

/** The machine's static busybox as /bin/busybox, with a link for each applet. */
export function busyboxFiles(): ContextFile[] {
	const links = applets.map((applet): ContextFile => ({ path: `bin/${applet}`, linkTo: "busybox" }));
	return [{ path: "bin/busybox", source: findProgram("busybox") }, ...links];
}
