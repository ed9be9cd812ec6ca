// Package zap stands in the place of go.uber.org/zap, which one of the ext4 readers that verify uses logs with: in its init that reader sets a
// logger up, which verify silences. The real package links net/http and TLS with it, and both together take 1 ms of each start. This one has the
// names that the reader uses, and logs nothing.
package zap

// SugaredLogger logs nothing.
type SugaredLogger struct{}

// Debugf logs nothing.
func (*SugaredLogger) Debugf(string, ...any) {}

// Logger logs nothing.
type Logger struct{}

// NewNop returns a logger that logs nothing, as all of them do.
func NewNop() *Logger { return nil }

// Sugar returns a logger that logs nothing.
func (*Logger) Sugar() *SugaredLogger { return nil }

// Level, AtomicLevel, EncoderConfig and Config are what the reader says of its logger. Nobody looks at them.
type (
	Level         int
	AtomicLevel   struct{}
	EncoderConfig struct{}
	Config        struct {
		Level            AtomicLevel
		Development      bool
		Encoding         string
		EncoderConfig    EncoderConfig
		OutputPaths      []string
		ErrorOutputPaths []string
	}
)

// DebugLevel is a level.
const DebugLevel Level = -1

// NewAtomicLevelAt returns a level.
func NewAtomicLevelAt(Level) AtomicLevel { return AtomicLevel{} }

// NewDevelopmentEncoderConfig returns what Config wants.
func NewDevelopmentEncoderConfig() EncoderConfig { return EncoderConfig{} }

// Build returns a logger that logs nothing.
func (Config) Build() (*Logger, error) { return NewNop(), nil }
