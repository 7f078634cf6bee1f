/** Makes PVCs bind: kube-controller-manager itself provisions this class (see control-plane.ts). */
export const storageClass = {
	apiVersion: "storage.k8s.io/v1",
	kind: "StorageClass",
	metadata: { name: "local", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
	provisioner: "kubernetes.io/host-path",
	reclaimPolicy: "Delete",
	volumeBindingMode: "Immediate",
};
