import { oneLine } from "./one-line.ts";
import type { KubeEvent, Pod } from "./pod.ts";
import { maxReasonLength, podTrouble } from "./pod-trouble.ts";

/** What a user reads must fit into a header with what else there is to say (hold/grpc-failure.ts). */
const maxLength = 600;
const maxNames = 3;
/** Different troubles, each with the pods that have it. */
const maxTroubles = 2;
/** A controller that is refused tries again after up to 1,000 s; what is older is over. */
const maxRefusalAgeMs = 20 * 60_000;

/** Which events, besides the pods themselves, tell why no daemon comes: field selectors, three at most. Pure. */
export function eventsWanted(pods: readonly Pod[]): readonly string[] {
	const wanted = ["reason=FailedCreate"];
	const troubles = pods.map((pod) => ({ pod, trouble: podTrouble(pod) }));
	const untold = troubles.find(({ trouble }) => trouble?.t === "untold");
	if (untold !== undefined) wanted.push(`involvedObject.uid=${untold.pod.metadata.uid}`);
	const [claim] = troubles.flatMap(({ trouble }) => (trouble?.t === "told" ? trouble.claims : []));
	if (claim !== undefined) {
		wanted.push(`involvedObject.kind=PersistentVolumeClaim,involvedObject.name=${claim}`);
	}
	return wanted;
}

/**
 * Why no daemon comes, as far as Kubernetes says, for the user of a build that waits; undefined when it says nothing.
 * `isOwner` knows the workloads whose pods these are. Pure.
 */
export function whyNoDaemon(
	pods: readonly Pod[],
	events: readonly KubeEvent[],
	isOwner: (kind: string, name: string) => boolean,
	now: number,
): string | undefined {
	const latestFirst = events.toSorted((a, b) => b.at - a.at);
	const names = new Map<string, string[]>();
	for (const pod of pods) {
		const text = troubleText(pod, latestFirst);
		if (text !== undefined) names.set(text, [...(names.get(text) ?? []), pod.metadata.name]);
	}
	const parts = [...names].slice(0, maxTroubles).map(([text, of]) => `${subject(of)} ${text}`);
	const refusal = refusalText(pods, latestFirst, isOwner, now);
	if (refusal !== undefined) parts.push(refusal);
	if (pods.length === 0 && parts.length === 0) parts.push("no pod has been created");
	return parts.length === 0 ? undefined : oneLine(`Kubernetes: ${parts.join("; ")}`, maxLength);
}

function troubleText(pod: Pod, latestFirst: readonly KubeEvent[]): string | undefined {
	const trouble = podTrouble(pod);
	if (trouble?.t === "told") {
		const claim = latestFirst.find(
			({ kind, name, reason }) =>
				kind === "PersistentVolumeClaim" &&
				trouble.claims.includes(name) &&
				// That one is as it should be.
				reason !== "WaitForFirstConsumer",
		);
		if (claim === undefined) return trouble.text;
		return `${trouble.text}; volume claim ${claim.name}: ${oneLine(claim.message, maxReasonLength)}`;
	}
	if (trouble?.t !== "untold") return undefined;
	const told = latestFirst.find(
		({ uid, warning, reason }) => uid === pod.metadata.uid && (warning || reason === "Pulling"),
	);
	if (told === undefined) return "is being created";
	const message = oneLine(told.message, maxReasonLength);
	return told.warning ? `is being created (${told.reason}): ${message}` : `is being created: ${message}`;
}

/** A pod that was not even created has no status; its controller says why, e.g. a quota or an admission webhook. */
function refusalText(
	pods: readonly Pod[],
	latestFirst: readonly KubeEvent[],
	isOwner: (kind: string, name: string) => boolean,
	now: number,
): string | undefined {
	// Since then the controller has had its way.
	const createdAt = Math.max(0, ...pods.map(({ metadata }) => metadata.creationTimestamp ?? 0));
	const refusal = latestFirst.find(
		({ reason, kind, name, at }) =>
			reason === "FailedCreate" && isOwner(kind, name) && at >= createdAt && now - at < maxRefusalAgeMs,
	);
	if (refusal === undefined) return undefined;
	const why = refusal.message.replace(/^.*?(failed error|Error creating): /s, "");
	const minutes = Math.floor((now - refusal.at) / 60_000);
	const ago = minutes < 1 ? "" : ` (${minutes} min ago)`;
	return `it refused to create a pod${ago}: ${oneLine(why, maxReasonLength)}`;
}

function subject(names: readonly string[]): string {
	const [first = ""] = names;
	if (names.length === 1) return `pod ${first}`;
	const more = names.length - maxNames;
	return `pods ${names.slice(0, maxNames).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
