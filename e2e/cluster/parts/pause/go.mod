module github.com/kubectl-aml/kubectl-aml/e2e/cluster/parts/pause

go 1.26.0
