using System.CommandLine;
using System.CommandLine.Completions;

namespace RagPlatform.Cli.Completion;

/// <summary><c>rag completion bash|zsh|fish</c>, and the hidden <c>rag complete</c> that its scripts call.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        # source <(rag completion bash)
        _rag() {
          local IFS=$'\n'
          COMPREPLY=($("${COMP_WORDS[0]}" complete --position "$COMP_POINT" "$COMP_LINE" 2>/dev/null))
          [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -F _rag rag ./rag
        """;

    private const string Zsh = """
        # source <(rag completion zsh)
        _rag() {
          local -a found
          found=("${(@f)$(${words[1]} complete --position "$CURSOR" "$BUFFER" 2>/dev/null)}")
          if [ -n "${found[1]}" ]; then compadd -- "${found[@]}"; else _files; fi
        }
        compdef _rag rag ./rag
        """;

    private const string Fish = """
        # rag completion fish | source
        complete -c rag -a '(rag complete --position (commandline -C) (commandline -cp) 2>/dev/null)'
        """;

    /// <summary>Makes the command that prints a shell's script.</summary>
    public static Command Create(CliContext context)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print what a shell needs to complete verbs and options: source <(rag completion bash)") { shell };
        command.SetAction(parse => context.Environment.Output.WriteLine(parse.GetRequiredValue(shell) switch
        {
            "bash" => Bash,
            "zsh" => Zsh,
            _ => Fish,
        }));
        return command;
    }

    /// <summary>Makes the hidden command that completes a line.</summary>
    public static Command CreateComplete(CliContext context)
    {
        var position = new Option<int?>("--position") { Description = "Where the cursor is in the line." };
        var line = new Argument<string>("line");
        var command = new Command("complete", "Completes a command line.") { position, line };
        command.Hidden = true;
        command.SetAction(parse =>
        {
            var text = parse.GetRequiredValue(line);
            var at = Math.Clamp(parse.GetValue(position) ?? text.Length, 0, text.Length);
            foreach (var label in Complete(parse.RootCommandResult.Command, text[..at], at))
            {
                context.Environment.Output.WriteLine(label);
            }
        });
        return command;
    }

    /// <summary>What can stand at the end of <paramref name="line"/>.</summary>
    internal static IEnumerable<string> Complete(Command root, string line, int position) =>
        root.Parse(line).GetCompletions(position).Select(item => item.Label).Where(label => label != "complete");
}
