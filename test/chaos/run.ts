import { setTimeout as sleep } from "node:timers/promises";
import type { ProxyState } from "../../proxy/observe/state.ts";
import { processesWith } from "../helpers/processes.ts";
import type { Instance } from "./instance.ts";
import { cooldownMs } from "./keda.ts";
import { Saboteur } from "./saboteur.ts";
import { faultsOf, spellsOf } from "./schedule.ts";
import { absentAfterMs, type World } from "./world.ts";

const beginsWithinMs = 60_000;
/** Once faults are over a build that waits gets a daemon: a heartbeat, a poll, a pod's start, others' builds before it. */
const servedWithinMs = 90_000;
/** Once nobody builds the pool sleeps. A hook that cannot ask anybody watches for 10 s and more. */
const asleepWithinMs = cooldownMs + absentAfterMs + 60_000;
/** A sleeping pool that nothing disturbs. */
const wakesWithinMs = 15_000;
/** No build waits longer than this, whatever happens. */
const stuckAfterMs = 150_000;
/** Proxies without builds: their drain grace is 2 s. */
const endsWithinMs = 15_000;
/** Keep-alive connections and the like that come and go. */
const spareDescriptors = 6;
const lookMs = 100;
/** Enough to understand. */
const maxViolations = 5;

/** Builds and faults until so many have struck; then everything must become as it was. */
export async function runChaos(world: World, seed: number, faults: number): Promise<void> {
	const slots = [...world.proxies, ...world.scalers];
	if (!(await within(beginsWithinMs, () => slots.every(({ current }) => current?.isReady === true)))) {
		throw new Error("the proxies and scalers are not ready");
	}
	const fresh = new Map(all(world).map(({ id, descriptors }) => [id.split("-")[0] ?? "", descriptors]));
	const saboteur = new Saboteur(world);
	const building = new Set<Promise<boolean>>();
	const end = new AbortController();
	const workload = buildInSpells(world, seed, building, end.signal);
	await strikeAll(world, saboteur, seed, faults);
	await saboteur.healed();
	end.abort();
	await workload;
	world.timeline.mark("faults are over");

	const late = setTimeout(() => {
		for (const build of world.building) {
			world.violate(
				`build ${build.number} is not over ${servedWithinMs / 1_000} s after the last fault: ${JSON.stringify(build.servedBy())}`,
			);
			build.kill();
		}
	}, servedWithinMs);
	await Promise.all(building);
	clearTimeout(late);
	await world.judged();
	await sleeps(world, asleepWithinMs);
	await wakesOnce(world);
	await sleeps(world, asleepWithinMs);
	await checkIdle(world, fresh);
}

/** Ends all that runs; what is left over then is a violation. */
export async function endAll(world: World): Promise<void> {
	world.keda.stop();
	const slots = [...world.proxies, ...world.scalers];
	for (const wrong of (await Promise.all(slots.map((slot) => slot.end(endsWithinMs)))).flat()) {
		world.violate(wrong);
	}
	await world.set.close();
	const left = processesWith(world.folder);
	if (left.length > 0) world.violate(`processes are left over: ${left.join(" ")}`);
}

async function strikeAll(world: World, saboteur: Saboteur, seed: number, faults: number): Promise<void> {
	let left = faults;
	for (const { afterMs, fault } of faultsOf(seed)) {
		if (left === 0 || world.violations.length >= maxViolations) return;
		await sleep(afterMs);
		reportStuck(world);
		if (saboteur.strike(fault)) {
			left--;
			world.faults.set(fault.t, (world.faults.get(fault.t) ?? 0) + 1);
		} else world.missed++;
	}
}

async function buildInSpells(
	world: World,
	seed: number,
	building: Set<Promise<boolean>>,
	end: AbortSignal,
): Promise<void> {
	for (const { builds, patienceMs, restMs } of spellsOf(seed)) {
		for (const { afterMs, seconds } of builds) {
			await sleep(afterMs);
			if (end.aborted) return;
			const build = world.build(seconds);
			building.add(build);
			void build.then(() => building.delete(build));
		}
		await until(() => end.aborted || world.building.size === 0);
		await within(patienceMs, () => end.aborted || world.set.replicas === 0);
		await sleep(restMs);
	}
}

const reported = new WeakSet<object>();

function reportStuck(world: World): void {
	for (const build of world.building) {
		if (build.servedAt !== undefined || reported.has(build)) continue;
		if (build.startedAt + stuckAfterMs > performance.now()) continue;
		reported.add(build);
		world.violate(`build ${build.number} has waited for ${stuckAfterMs / 1_000} s`);
	}
}

async function sleeps(world: World, withinMs: number): Promise<void> {
	const { set } = world;
	const isAsleep = () => set.replicas === 0 && set.pods.length === 0;
	if (await within(withinMs, isAsleep)) return;
	const pods = set.pods.map(({ name, state }) => `${name} ${state}`).join(", ");
	world.violate(
		`nobody builds for ${withinMs / 1_000} s, and there are ${set.replicas} replicas (${pods || "no pods"})`,
	);
}

async function wakesOnce(world: World): Promise<void> {
	let over = false;
	const build = world.build(1).then((succeeded) => {
		over = true;
		if (!succeeded) world.violate("the build that wakes the pool at the end failed");
	});
	if (!(await within(wakesWithinMs, () => over))) world.violate("the pool does not wake when all is well");
	for (const stuck of world.building) stuck.kill();
	await build;
}

/** Nobody is connected any more, and as many descriptors are open as when it all began. */
async function checkIdle(world: World, fresh: ReadonlyMap<string, number>): Promise<void> {
	for (const instance of all(world)) {
		const most = (fresh.get(instance.id.split("-")[0] ?? "") ?? 0) + spareDescriptors;
		if (!(await within(10_000, () => instance.descriptors <= most))) {
			world.violate(`${instance.id} has ${instance.descriptors} descriptors open, and a fresh one ${most}`);
		}
	}
	for (const { host, id } of world.proxies.flatMap(({ instances }) => instances)) {
		const state = (await (await fetch(`http://${host}:8081/state`)).json()) as ProxyState;
		const connections = state.pools.flatMap((pool) => pool.connections);
		if (connections.length > 0) world.violate(`${id} still has connections: ${JSON.stringify(connections)}`);
	}
}

function all(world: World): Instance[] {
	return [...world.proxies, ...world.scalers].flatMap(({ instances }) => instances);
}

async function until(check: () => boolean): Promise<void> {
	while (!check()) await sleep(lookMs);
}

async function within(ms: number, check: () => boolean): Promise<boolean> {
	const end = performance.now() + ms;
	while (!check()) {
		if (performance.now() > end) return false;
		await sleep(lookMs);
	}
	return true;
}
