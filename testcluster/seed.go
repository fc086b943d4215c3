package main

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// seed gives the cluster two nodes, one with a GPU, and storage classes with CCE's names.
func (c *cluster) seed() error {
	ctx := context.Background()
	for name, isDefault := range map[string]string{"csi-disk": "true", "csi-nas": "false"} {
		reclaim := corev1.PersistentVolumeReclaimDelete
		class := &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": isDefault},
			},
			Provisioner: "kubernetes.io/host-path", ReclaimPolicy: &reclaim,
		}
		if _, err := c.kubernetes.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	for name, gpus := range map[string]string{"node-a": "0", "node-gpu": "1"} {
		if _, err := c.kubernetes.CoreV1().Nodes().Create(ctx, node(name, gpus), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	if err := c.until("nodes ready", patience, func() bool {
		list, err := c.kubernetes.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		return err == nil && len(list.Items) == 2 && !slices.ContainsFunc(list.Items, func(n corev1.Node) bool { return !ready(n) })
	}); err != nil {
		return err
	}
	return c.until("service accounts are made", patience, func() bool {
		_, err := c.kubernetes.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
}

func node(name, gpus string) *corev1.Node {
	capacity := corev1.ResourceList{
		"cpu": resource.MustParse("8"), "memory": resource.MustParse("32Gi"), "pods": resource.MustParse("110"),
		"ephemeral-storage": resource.MustParse("100Gi"), "nvidia.com/gpu": resource.MustParse(gpus),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
			"topology.kubernetes.io/zone": "eu-de-01", "topology.kubernetes.io/region": "eu-de",
		}},
		Status: corev1.NodeStatus{Capacity: capacity, Allocatable: capacity},
	}
}

// ready says whether pods can go to a node.
func ready(n corev1.Node) bool {
	return len(n.Spec.Taints) == 0 && slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}
