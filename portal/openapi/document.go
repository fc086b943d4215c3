package openapi

// The parts of a document, as OpenAPI 3.1 names them.
type (
	documentNode struct {
		OpenAPI    string                              `json:"openapi"`
		Info       infoNode                            `json:"info"`
		Servers    []serverNode                        `json:"servers"`
		Tags       []tagNode                           `json:"tags"`
		Paths      map[string]map[string]operationNode `json:"paths"`
		Components componentsNode                      `json:"components"`
	}

	infoNode struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description,omitempty"`
	}

	serverNode struct {
		URL string `json:"url"`
	}

	tagNode struct {
		Name string `json:"name"`
	}

	operationNode struct {
		OperationID string                  `json:"operationId"`
		Tags        []string                `json:"tags"`
		Summary     string                  `json:"summary"`
		Description string                  `json:"description,omitempty"`
		Parameters  []parameterNode         `json:"parameters,omitempty"`
		RequestBody *bodyNode               `json:"requestBody,omitempty"`
		Responses   map[string]responseNode `json:"responses"`
		Security    []map[string][]string   `json:"security"`
	}

	parameterNode struct {
		Name        string  `json:"name"`
		In          string  `json:"in"`
		Description string  `json:"description,omitempty"`
		Required    bool    `json:"required,omitempty"`
		Schema      *Schema `json:"schema"`
		Example     any     `json:"example,omitempty"`
	}

	bodyNode struct {
		Required bool                 `json:"required"`
		Content  map[string]mediaNode `json:"content"`
	}

	responseNode struct {
		Description string                `json:"description"`
		Headers     map[string]headerNode `json:"headers,omitempty"`
		Content     map[string]mediaNode  `json:"content,omitempty"`
	}

	headerNode struct {
		Description string  `json:"description"`
		Schema      *Schema `json:"schema"`
	}

	mediaNode struct {
		Schema *Schema `json:"schema"`
	}

	componentsNode struct {
		Schemas         map[string]*Schema        `json:"schemas"`
		SecuritySchemes map[string]SecurityScheme `json:"securitySchemes"`
	}
)
