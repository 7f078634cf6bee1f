// The objects the cluster's own tests create.
import { buildkitdImage } from "../images/buildkitd.ts";
import { pauseImage } from "../images/pause.ts";

/** A pod that runs a shell script in the image with busybox. */
export function scriptPod(name: string, script: string): object {
	return {
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name, namespace: "default", labels: { app: name } },
		spec: {
			restartPolicy: "Never",
			terminationGracePeriodSeconds: 0,
			containers: [{ name: "main", image: pauseImage, command: ["/bin/sh", "-c", script] }],
		},
	};
}

export function service(name: string, port: number): object {
	return {
		apiVersion: "v1",
		kind: "Service",
		metadata: { name, namespace: "default" },
		spec: { selector: { app: name }, ports: [{ port }] },
	};
}

/** A Service whose endpoint is a server of the test's own process. */
export function serviceOfTest(name: string, port: number, address: string, targetPort: number): object[] {
	const metadata = { name, namespace: "default" };
	return [
		{ apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ port, targetPort }] } },
		{
			apiVersion: "discovery.k8s.io/v1",
			kind: "EndpointSlice",
			metadata: { ...metadata, labels: { "kubernetes.io/service-name": name } },
			addressType: "IPv4",
			endpoints: [{ addresses: [address] }],
			ports: [{ name: "", port: targetPort }],
		},
	];
}

/** One real buildkitd with its cache on a PVC. */
export function buildkitdPool(name: string, port: number): object {
	return {
		apiVersion: "apps/v1",
		kind: "StatefulSet",
		metadata: { name, namespace: "default" },
		spec: {
			serviceName: name,
			selector: { matchLabels: { app: name } },
			template: {
				metadata: { labels: { app: name } },
				spec: {
					containers: [
						{
							name: "buildkitd",
							image: buildkitdImage,
							args: [`--addr=tcp://0.0.0.0:${port}`, "--oci-worker-net=host"],
							securityContext: { privileged: true },
							readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
							volumeMounts: [{ name: "state", mountPath: "/var/lib/buildkit" }],
						},
					],
				},
			},
			volumeClaimTemplates: [
				{
					metadata: { name: "state" },
					spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
				},
			],
		},
	};
}

/** A Deployment without replicas that KEDA scales by what an external scaler pushes. */
export function scaledDeployment(name: string, scalerAddress: string): object[] {
	const metadata = { name, namespace: "default" };
	const containers = [{ name: "main", image: pauseImage }];
	return [
		{
			apiVersion: "apps/v1",
			kind: "Deployment",
			metadata,
			spec: {
				replicas: 0,
				selector: { matchLabels: { app: name } },
				template: {
					metadata: { labels: { app: name } },
					spec: { containers, terminationGracePeriodSeconds: 0 },
				},
			},
		},
		{
			apiVersion: "keda.sh/v1alpha1",
			kind: "ScaledObject",
			metadata,
			spec: {
				scaleTargetRef: { name },
				pollingInterval: 1,
				cooldownPeriod: 1,
				minReplicaCount: 0,
				maxReplicaCount: 5,
				triggers: [{ type: "external-push", metadata: { scalerAddress } }],
			},
		},
	];
}
