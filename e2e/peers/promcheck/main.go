// Command promcheck reads a Prometheus text exposition from stdin with the parsers that Prometheus and its clients use, and
// prints what it found as JSON: {"families":N,"series":N,"types":{"name":"counter"}}. It fails on a fault of the text, on a
// series given twice and on a series outside its family.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

type found struct {
	Families int               `json:"families"`
	Series   int               `json:"series"`
	Types    map[string]string `json:"types"`
}

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	result, err := check(text)
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func check(text []byte) (found, error) {
	result := found{Types: map[string]string{}}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return result, fmt.Errorf("expfmt: %w", err)
	}
	result.Families = len(families)
	for name, family := range families {
		result.Types[name] = strings.ToLower(family.GetType().String())
	}
	scraped, err := textparse.New(text, "text/plain", labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		return result, fmt.Errorf("textparse: %w", err)
	}
	seen := map[string]bool{}
	current := ""
	for {
		entry, err := scraped.Next()
		if errors.Is(err, io.EOF) {
			return result, nil
		}
		if err != nil {
			return result, fmt.Errorf("textparse: %w", err)
		}
		switch entry {
		case textparse.EntryType:
			name, _ := scraped.Type()
			current = string(name)
		case textparse.EntrySeries:
			var series labels.Labels
			scraped.Labels(&series)
			key := series.String()
			if seen[key] {
				return result, fmt.Errorf("series given twice: %s", key)
			}
			seen[key] = true
			if name := series.Get(labels.MetricName); !strings.HasPrefix(name, current) {
				return result, fmt.Errorf("%s stands in the family %s", name, current)
			}
			result.Series++
		}
	}
}
