import { oneLine } from "./one-line.ts";
import type { ContainerStatus, Pod, Terminated } from "./pod.ts";

/** Why one pod does not serve yet. */
export type PodTrouble =
	/** Its status says it. */
	| { readonly t: "told"; readonly text: string; readonly claims: readonly string[] }
	/** It is being created, and only events tell how that goes. */
	| { readonly t: "untold" };

export const maxReasonLength = 300;

/** Waiting reasons of kubelet (pkg/kubelet/images/types.go). */
const imageReasons = new Set([
	"ErrImagePull",
	"ImagePullBackOff",
	"InvalidImageName",
	"ErrImageNeverPull",
	"ImageInspectError",
	"RegistryUnavailable",
	"SignatureValidationFailed",
]);
const creatingReasons = new Set(["ContainerCreating", "PodInitializing"]);

/** Undefined for a pod that runs, and for one that goes. The text completes "pod b-0 ...". Pure. */
export function podTrouble(pod: Pod): PodTrouble | undefined {
	const { status, metadata, spec } = pod;
	if (metadata.deletionTimestamp || status?.phase === "Succeeded") return undefined;
	if (status?.phase === "Failed") {
		return told(`has failed${paren(status.reason)}`, status.message);
	}
	const scheduled = status?.conditions?.find(({ type }) => type === "PodScheduled");
	if (scheduled?.status === "False") return unscheduled(pod, scheduled.reason, scheduled.message);
	// A sidecar runs beside the others: it is an init container that is to stay.
	const sidecars = new Set(
		(spec.initContainers ?? [])
			.filter(({ restartPolicy }) => restartPolicy === "Always")
			.map(({ name }) => name),
	);
	for (const container of status?.initContainerStatuses ?? []) {
		const what = `its init container ${container.name}`;
		const trouble = containerTrouble(container, what);
		if (trouble !== undefined) return trouble;
		if (container.state?.running && !sidecars.has(container.name)) return told(`waits: ${what} still runs`);
	}
	const containers = status?.containerStatuses ?? [];
	for (const container of containers) {
		const trouble = containerTrouble(container, `its container ${container.name}`);
		if (trouble !== undefined) return trouble;
	}
	const creating = containers.some(({ state }) => creatingReasons.has(state?.waiting?.reason ?? ""));
	return creating || containers.length === 0 ? { t: "untold" } : undefined;
}

function unscheduled(pod: Pod, reason?: string | null, message?: string | null): PodTrouble {
	if (reason === "SchedulingGated") return told("is held back by a scheduling gate");
	// What the scheduler tried besides is of no use to who waits.
	const [why = ""] = (message ?? "").split(/(?: no new claims to deallocate,)? preemption: /);
	const unbound = why.includes("PersistentVolumeClaim");
	const volumes = unbound ? (pod.spec.volumes ?? []) : [];
	const claims = volumes.flatMap(({ persistentVolumeClaim: claim }) => (claim ? [claim.claimName] : []));
	return told("cannot be scheduled", why.replace(/[. ]+$/, ""), claims);
}

function containerTrouble({ state, lastState, ready, restartCount }: ContainerStatus, what: string) {
	const { waiting, terminated } = state ?? {};
	const reason = waiting?.reason ?? "";
	if (imageReasons.has(reason)) return told(`cannot pull the image of ${what} (${reason})`, waiting?.message);
	if (terminated && terminated.exitCode !== 0) return crash(terminated, what, restartCount);
	// It crashes again and again: between two runs, or shortly before it ends the next time.
	const last = lastState?.terminated;
	const again = reason === "CrashLoopBackOff" || (state?.running && !ready);
	if (last && again && (reason !== "" || last.exitCode !== 0)) return crash(last, what, restartCount);
	if (waiting && reason !== "" && !creatingReasons.has(reason)) {
		return told(`cannot start ${what} (${reason})`, waiting.message);
	}
	return undefined;
}

function crash({ exitCode, reason, message }: Terminated, what: string, restarts?: number | null) {
	const how = (restarts ?? 0) > 0 ? "keeps ending" : "ended";
	const why = reason === "Error" || reason === "Completed" ? "" : paren(reason);
	// With terminationMessagePolicy FallbackToLogsOnError it is the end of the log.
	const lastLine = (message ?? "").trimEnd().split("\n").at(-1);
	return told(`does not start: ${what} ${how} with exit code ${exitCode}${why}`, lastLine);
}

function told(what: string, why?: string | null, claims: readonly string[] = []): PodTrouble {
	const text = why ? `${what}: ${why}` : what;
	return { t: "told", text: oneLine(text, maxReasonLength), claims };
}

function paren(text: string | null | undefined): string {
	return text ? ` (${text})` : "";
}
