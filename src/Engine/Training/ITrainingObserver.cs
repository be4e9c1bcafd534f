// Who wants to see how a training goes: a command that draws a table, or a host that has a page for it.
namespace Engine.Training;

/// <summary>Is told what happens in a training, on its thread.</summary>
public interface ITrainingObserver
{
    /// <summary>Texts and model are there; training begins.</summary>
    /// <param name="start">What there is.</param>
    void Began(TrainingStart start);

    /// <summary>A step is done; figures come with the next report.</summary>
    /// <param name="done">Steps that are done.</param>
    /// <param name="loss">Mean of −ln p of a target token in this step.</param>
    void Stepped(int done, double loss);

    /// <summary>Some steps are done.</summary>
    /// <param name="report">Their figures.</param>
    void Reported(TrainingReport report);

    /// <summary>The weights of now were validated.</summary>
    /// <param name="report">The figures.</param>
    void Validated(ValidationReport report);

    /// <summary>Something worth a line.</summary>
    /// <param name="message">The line.</param>
    void Said(string message);
}
