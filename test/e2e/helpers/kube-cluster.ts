import { expect } from "vitest";
import type { Cluster } from "../../cluster/cluster.ts";
import { buildImages } from "../../cluster/images/build-image.ts";
import { buildkitd } from "../../cluster/images/buildkitd.ts";
import type { ImageSpec } from "../../cluster/images/image-spec.ts";
import { leftOvers } from "../../cluster/left-overs.ts";
import { startCluster } from "../../cluster/start-cluster.ts";
import { buildNatsImage, buildScalerImage } from "./kube-images.ts";

/** For beforeAll: the images are built once, with npm's packages, and that may take a while. */
export const START_TIMEOUT_MS = 300_000;

/** A cluster that has everything the chart runs, and these images. */
export async function startChartCluster(more: readonly ImageSpec[] = []): Promise<Cluster> {
	const images = [
		...(await buildImages([await buildkitd(), ...more])),
		await buildScalerImage(),
		await buildNatsImage(),
	];
	return await startCluster({ images });
}

/** For afterAll. */
export async function stopChartCluster(cluster: Cluster | undefined): Promise<void> {
	await cluster?.stop();
	expect(await leftOvers()).toEqual([]);
}
